#ifndef UFFIZI_EXPORT_H_
#define UFFIZI_EXPORT_H_

// Marks what a program that links libuffizi may use; everything else is hidden.
#define UFFIZI_API __attribute__((visibility("default")))

#endif  // UFFIZI_EXPORT_H_
