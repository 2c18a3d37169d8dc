#include "fuzz/ir_mutator.h"

#include <array>
#include <pugixml.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace uffizi::fuzz {
namespace {

constexpr std::array kExtremes = {"-1",
                                  "0",
                                  "1",
                                  "2",
                                  "3",
                                  "127",
                                  "65536",
                                  "2147483647",
                                  "4294967295",
                                  "1099511627776",
                                  "9223372036854775807",
                                  "-9223372036854775808",
                                  "18446744073709551615",
                                  "1e308",
                                  "nan",
                                  "",
                                  "0,0",
                                  "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
                                  "1099511627776,1099511627776",
                                  "4294967296,4294967296",
                                  "true",
                                  "f64",
                                  "i4",
                                  "u8",
                                  "bf16",
                                  "i64"};

class Mutator {
 public:
  Mutator(pugi::xml_document& document, std::mt19937& random) : random_(random) {
    net_ = document.child("net");
    for (const pugi::xml_node& layer : net_.child("layers").children()) layers_.push_back(layer);
    for (const pugi::xml_node& edge : net_.child("edges").children()) edges_.push_back(edge);
  }

  void Change() {
    if (layers_.empty() || edges_.empty()) return;
    switch (random_() % 8) {
      case 0:
        ChangeAttribute(Any(layers_).child("data"));
        break;
      case 1:
        ChangeAttribute(Any(layers_));
        break;
      case 2:
        ChangeAttribute(Any(edges_));
        break;
      case 3:
        ChangeExtent(Any(layers_).child("output"));
        break;
      case 4:
        Rewire();
        break;
      case 5:
        CopyAttribute(Any(layers_), Any(layers_), "type");
        break;
      case 6:
        Copy();
        break;
      default:
        Drop();
    }
  }

 private:
  template <typename T>
  T Any(const std::vector<T>& list) {
    return list[random_() % list.size()];
  }

  static void CopyAttribute(pugi::xml_node from, pugi::xml_node to, const char* key) {
    const std::string value = from.attribute(key).value();
    to.attribute(key) = value.c_str();
  }

  void ChangeAttribute(pugi::xml_node node) {
    std::vector<pugi::xml_attribute> attributes(node.attributes_begin(), node.attributes_end());
    if (!attributes.empty()) Any(attributes) = kExtremes[random_() % kExtremes.size()];
  }

  void ChangeExtent(pugi::xml_node output) {
    std::vector<pugi::xml_node> extents;
    for (const pugi::xml_node& port : output.children()) {
      extents.insert(extents.end(), port.begin(), port.end());
    }
    if (!extents.empty()) Any(extents).text() = kExtremes[random_() % kExtremes.size()];
  }

  // Half of an edge becomes that of another.
  void Rewire() {
    const pugi::xml_node edge = Any(edges_), other = Any(edges_);
    const bool from = random_() % 2 == 0;
    for (const char* key : {from ? "from-layer" : "to-layer", from ? "from-port" : "to-port"}) {
      CopyAttribute(other, edge, key);
    }
  }

  void Copy() {
    if (random_() % 2 == 0) {
      net_.child("layers").append_copy(Any(layers_));
    } else {
      net_.child("edges").append_copy(Any(edges_));
    }
  }

  void Drop() {
    std::vector<pugi::xml_node>& list = random_() % 2 == 0 ? layers_ : edges_;
    const size_t at = random_() % list.size();
    list[at].parent().remove_child(list[at]);
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(at));
  }

  std::mt19937& random_;
  pugi::xml_node net_;
  std::vector<pugi::xml_node> layers_, edges_;
};

}  // namespace

std::string MutateIr(std::string_view xml, std::mt19937& random) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) return std::string(xml);
  Mutator mutator(document, random);
  for (size_t changes = 1 + random() % 4; changes > 0; --changes) mutator.Change();
  std::ostringstream out;
  document.save(out, "", pugi::format_raw);
  return out.str();
}

}  // namespace uffizi::fuzz
