#ifndef UFFIZI_HUB_CERTIFICATES_H_
#define UFFIZI_HUB_CERTIFICATES_H_

#include <string>

namespace uffizi {

// The file of trusted certificates: the one that the environment names, else that of this Linux
// distribution, because libcurl's default is that of the distribution on which it was built. "" for
// libcurl's default.
std::string CertificateFile();

}  // namespace uffizi

#endif  // UFFIZI_HUB_CERTIFICATES_H_
