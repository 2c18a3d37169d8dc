#include "hub/fetch.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "uffizi/error.h"

namespace uffizi {
namespace {

bool IsPublic(const char* text) {
  sockaddr_storage storage = {};
  auto* in4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, text, &in4->sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    storage.ss_family = AF_INET6;
    EXPECT_EQ(inet_pton(AF_INET6, text, &in6->sin6_addr), 1) << text;
  }
  return IsPublicAddress(reinterpret_cast<const sockaddr&>(storage));
}

TEST(Addresses, PublicOnesAreToldFromOthers) {
  for (const char* address : {"8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "192.167.1.1",
                              "100.63.0.1", "100.128.0.1", "223.255.255.255", "2606:4700::1111",
                              "2a00:1450:4001::200e", "2001:4860:4860::8888", "::ffff:8.8.8.8"}) {
    EXPECT_TRUE(IsPublic(address)) << address;
  }
  for (const char* address : {"127.0.0.1",
                              "127.255.0.1",
                              "0.0.0.0",
                              "10.1.2.3",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.0.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "100.127.255.255",
                              "192.0.0.8",
                              "198.18.0.1",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fe80::1",
                              "fc00::1",
                              "fd12::1",
                              "ff02::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "64:ff9b::7f00:1",
                              "2002:7f00:1::",
                              "2001::1",
                              "2001:db8::1",
                              "3fff::1",
                              "::127.0.0.1",
                              "100::1"}) {
    EXPECT_FALSE(IsPublic(address)) << address;
  }
}

TEST(Fetch, RefusesWhatIsNoAddressOrNotAllowed) {
  const auto code = [](const std::string& url, FetchOptions options = {}) {
    try {
      Fetch(url, options);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kInternal;
  };
  for (const char* url : {"file:///etc/passwd", "ftp://host/a", "http://", "https://:80/a", "a.jpg",
                          "http://127.0.0.1:1/a", "http://localhost:1/", "http://[::1]:1/a"}) {
    EXPECT_EQ(code(url), ErrorCode::kInvalidArgument) << url;
  }
  FetchOptions few;
  few.hosts = {"pictures.example.com", "*.example.org"};
  for (const char* url : {"http://example.com/a", "http://pictures.example.com.evil/a",
                          "http://example.org/a", "http://evilexample.org/a"}) {
    EXPECT_EQ(code(url, few), ErrorCode::kInvalidArgument) << url;
  }
  EXPECT_TRUE(IsHttpUrl("https://a") && !IsHttpUrl("httpx://a") && !IsHttpUrl("/http://a"));
}

}  // namespace
}  // namespace uffizi
