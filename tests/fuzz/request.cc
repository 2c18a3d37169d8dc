// What clients send: by the first byte, a request's head, the body of an annotation (its type, a
// NUL, a form or JSON), a labelling configuration, an address.

#include <netinet/in.h>

#include <cstring>

#include "fuzz/harness.h"
#include "hub/fetch.h"
#include "server/annotate_request.h"
#include "server/http_head.h"
#include "server/label_config.h"
#include "server/problem.h"

using namespace uffizi;

namespace {

// Addresses are read, but no host is one of these.
FetchOptions Nowhere() {
  FetchOptions options;
  options.hosts = {"\x01"};
  return options;
}

void ReadHeadOnly(std::string_view text) {
  server::HttpParser parser;
  const server::HttpHead head = server::ReadHead(text, parser);
  fuzz::Require(!head.request.method.empty(), "no method");
  fuzz::Require(!(head.chunked && head.content_length), "two lengths");
}

void ReadBody(std::string_view input) {
  server::HttpRequest request;
  request.method = "POST";
  request.path = "/v1/annotate";
  request.headers.emplace_back("Content-Type", fuzz::TakePart(input));
  request.body = input;
  server::PictureAccess access;
  access.urls = true;
  access.fetch = Nowhere();
  server::PictureReader pictures(access, request);
  const server::RequestLimits limits;
  server::AnnotateRequest read = server::ReadAnnotateRequest(request, limits, pictures);
  server::ApplyLimits(limits, read, 1);
  fuzz::Require(!read.questions.empty() && read.questions.size() <= limits.max_questions,
                "a number of questions");
  fuzz::Require(read.image_name.size() <= limits.max_name, "a long name");
}

void ReadConfig(std::string_view text) {
  const auto config = server::LabelConfig::Parse(std::string(text));
  fuzz::Require(!config.image.empty() && !config.controls.empty(), "nothing to fill");
  for (const server::LabelControl& control : config.controls) server::QuestionsOf(control);
}

// An address of IPv4 is as public alone as within IPv6.
void CheckAddress(std::string_view text) {
  if (text.size() >= 4) {
    sockaddr_in plain{};
    plain.sin_family = AF_INET;
    std::memcpy(&plain.sin_addr, text.data(), 4);
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    std::memcpy(mapped.sin6_addr.s6_addr + 12, text.data(), 4);
    fuzz::Require(IsPublicAddress(reinterpret_cast<const sockaddr&>(plain)) ==
                      IsPublicAddress(reinterpret_cast<const sockaddr&>(mapped)),
                  "an address that is public in one form only");
  }
  server::NameOfUrl(text);
  try {
    Fetch(std::string(text), Nowhere());
    fuzz::Require(false, "a host that is not allowed");
  } catch (const Error& error) {
    fuzz::Require(error.code() == ErrorCode::kInvalidArgument, "an address that was asked");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input = fuzz::AsText(data, size).substr(1);
  const auto read = [&] {
    switch (data[0]) {
      case 'h':
        return ReadHeadOnly(input);
      case 'b':
        return ReadBody(input);
      case 'l':
        return ReadConfig(input);
      default:
        return CheckAddress(input);
    }
  };
  try {
    read();
  } catch (const server::Problem& problem) {
    fuzz::Require(problem.status() >= 400 && problem.status() < 600, "a status");
    fuzz::Require(problem.status() != 500, "a Problem that blames ourselves");
  } catch (const Error& error) {
    fuzz::Require(error.code() != ErrorCode::kInternal, "an Error that blames ourselves");
  }
  return 0;
}
