#ifndef UFFIZI_HUB_CERTIFICATES_H_
#define UFFIZI_HUB_CERTIFICATES_H_

#include <string>

namespace uffizi {

// The certificates that are trusted: what the environment names, else the system's, whichever Linux
// this is; libcurl's own default is that of the Linux it was built on. "" for that default.
std::string CertificateFile();

}  // namespace uffizi

#endif  // UFFIZI_HUB_CERTIFICATES_H_
