#include "hub/certificates.h"

#include <filesystem>

#include "hub/environment.h"

namespace uffizi {

std::string CertificateFile() {
  const std::string named = Environment({"CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"});
  if (!named.empty()) return named;
  for (const char* file : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}) {
    std::error_code ignored;
    if (std::filesystem::exists(file, ignored)) return file;
  }
  return "";
}

}  // namespace uffizi
