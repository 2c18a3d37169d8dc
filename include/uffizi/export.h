#ifndef UFFIZI_EXPORT_H_
#define UFFIZI_EXPORT_H_

// Marks symbols that libuffizi exports; everything else is hidden.
#define UFFIZI_API __attribute__((visibility("default")))

#endif  // UFFIZI_EXPORT_H_
