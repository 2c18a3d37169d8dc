// Malicious artifacts: whatever is in the files, the result is a model or an Error.

#include "import/hostile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <random>

#include "checkpoint/checkpoint.h"
#include "core/json_reader.h"
#include "import/artifact.h"
#include "import/java_stream.h"
#include "import/layer_matcher.h"
#include "import/spark_folder.h"
#include "import/zip_archive.h"
#include "support/files.h"
#include "uffizi/error.h"
#include "uffizi/models.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::MessageOf;
using testing::ReadBytes;
using testing::TemporaryFolder;
using testing::WriteText;
using testing::WriteZip;

TEST(HostileJson, DoesNotNestWithoutEnd) {
  const TemporaryFolder folder;
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  fs::create_directories(folder.path() / "metadata");
  fs::create_directories(folder.path() / "fields");
  WriteText(folder.path() / "metadata/part-00000", "{\"paramMap\": {\"size\": " + deep + "}}");
  EXPECT_THAT(MessageOf([&] { ReadSparkFolder(folder.path()); }),
              HasSubstr("is not the metadata of a Spark stage"));
  WriteText(folder.path() / "config.json", "{\"text_config\": " + deep + "}");
  EXPECT_THAT(MessageOf([&] { JsonReader::Open(folder.path() / "config.json"); }),
              HasSubstr("config.json: not valid JSON"));
  const std::string header = "{\"a\": {\"dtype\": " + deep + "}}";
  const uint64_t length = header.size();
  WriteText(folder.path() / "model.safetensors",
            std::string(reinterpret_cast<const char*>(&length), 8) + header);
  EXPECT_THAT(MessageOf([&] { Checkpoint::Open(folder.path()); }),
              HasSubstr("the header is not a JSON object"));
}

// Runs each part of an import on changed bytes.
class Mutation : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    testing::UnpackGraphs(folder_->path());
  }
  static void TearDownTestSuite() { delete folder_; }
  static fs::path file(const std::string& name) { return folder_->path() / name; }

  // Changes bytes, cuts, repeats and drops pieces, and swaps numbers.
  std::string Mutate(std::string bytes) {
    const size_t changes = 1 + random_() % 4;
    for (size_t i = 0; i < changes && !bytes.empty(); ++i) {
      const size_t at = random_() % bytes.size();
      const size_t length = std::min<size_t>(random_() % 64, bytes.size() - at);
      switch (random_() % 6) {
        case 0:
          bytes[at] = static_cast<char>(random_());
          break;
        case 1:
          bytes.erase(at, length);
          break;
        case 2:
          bytes.insert(at, bytes.substr(random_() % bytes.size(), length));
          break;
        case 3:
          for (size_t k = at; k < at + length; ++k) {
            if (bytes[k] >= '0' && bytes[k] <= '9')
              bytes[k] = static_cast<char>('0' + random_() % 10);
          }
          break;
        case 4:
          bytes[at] = random_() % 2 == 0 ? '\xff' : '\0';
          break;
        default:
          if (random_() % 8 == 0) bytes.resize(at);
      }
    }
    return bytes;
  }

  // Returns how many of the changed inputs were refused; any exception but Error fails the test.
  template <typename Action>
  size_t Refused(const std::string& original, size_t rounds, const Action& action) {
    size_t refused = 0;
    for (size_t round = 0; round < rounds; ++round) {
      try {
        action(Mutate(original));
      } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
        ++refused;
      }
    }
    return refused;
  }

  std::mt19937 random_{20261125};
  static TemporaryFolder* folder_;
};
TemporaryFolder* Mutation::folder_ = nullptr;

TEST_F(Mutation, Graphs) {
  const std::map<std::string, void (*)(ImportedGraph&, ImportedModel&)> readers = {
      {"text_embedding", ReadTextEmbeddingGraph},
      {"encoder", ReadEncoderGraph},
      {"decoder", ReadDecoderGraph},
      {"image_embedding", ReadVisionGraph}};
  const TemporaryFolder scratch;
  for (const auto& [name, reader] : readers) {
    fs::copy_file(file(name + ".bin"), scratch.path() / "x.bin",
                  fs::copy_options::overwrite_existing);
    const size_t rounds = name == "text_embedding" ? 400 : 60;
    const size_t refused = Refused(ReadBytes(file(name + ".xml")), rounds, [&](const auto& xml) {
      WriteText(scratch.path() / "x.xml", xml);
      ImportedModel model;
      if (name != "text_embedding") {
        ReadTextEmbeddingGraph(model.Add(IrGraph::Open(file("text_embedding.xml"))), model);
      }
      reader(model.Add(IrGraph::Open(scratch.path() / "x.xml")), model);
      for (const auto& [weight, tensor] : model.tensors) tensor.Floats();
    });
    EXPECT_GT(refused, rounds / 10) << name;
  }
}

TEST_F(Mutation, SequenceFiles) {
  for (const char* name :
       {"merges/part-00000", "addedTokens/part-00001", "generationConfig/part-00001"}) {
    const std::string original = ReadBytes(file("saved") / "fields" / name);
    const size_t refused = Refused(original, 3000, [&](const std::string& bytes) {
      ReadSequenceFile("x", {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                       [](std::span<const uint8_t> record) { ParseJavaStream("x", record); });
    });
    EXPECT_GT(refused, 1000u) << name;
  }
}

TEST_F(Mutation, Zips) {
  const TemporaryFolder scratch;
  const fs::path zip = scratch.path() / "x.zip", out = scratch.path() / "out";
  const fs::path merger = file("saved") / "merger_model.xml";
  WriteZip(zip, {{"merger_model.xml", ReadBytes(merger / "merger_model.xml")},
                 {"merger_model.bin", ReadBytes(merger / "merger_model.bin")}});
  const std::string original = ReadBytes(zip);
  const auto unpack = [&] {
    fs::remove_all(out);
    Unzip(zip, out);
  };
  const size_t refused = Refused(original, 1000, [&](const std::string& bytes) {
    WriteText(zip, bytes);
    unpack();
  });
  EXPECT_GT(refused, 500u);
  // Inside a zip that is whole.
  const size_t inside = Refused(original, 1000, [&](const std::string& bytes) {
    WriteZip(zip, {{"merger_model.xml", bytes}});
    unpack();
  });
  EXPECT_GT(inside, 200u);
}

class Graph : public ::testing::Test {
 protected:
  // A graph of these layers, in XML, with 64 bytes of constants.
  std::string Open(const std::string& layers, const std::string& edges) {
    WriteText(folder_.path() / "g.bin", std::string(64, '\0'));
    WriteText(folder_.path() / "g.xml", "<?xml version=\"1.0\"?><net><layers>" + layers +
                                            "</layers><edges>" + edges + "</edges></net>");
    return Read();
  }
  std::string Read() {
    return MessageOf([&] {
      ImportedModel model;
      ReadTextEmbeddingGraph(model.Add(IrGraph::Open(folder_.path() / "g.xml")), model);
      for (const auto& [name, tensor] : model.tensors) tensor.Floats();
    });
  }
  TemporaryFolder folder_;
};

constexpr const char* kLookup =
    "<layer id='0' name='ids' type='Parameter'><output><port "
    "id='0'><dim>-1</dim></port></output></layer>"
    "<layer id='2' name='axis' type='Const'><data element_type='i32' shape='' offset='0' size='4'/>"
    "<output><port id='0'/></output></layer>"
    "<layer id='3' name='look' type='Gather'><input><port id='0'/><port id='1'/><port "
    "id='2'/></input>"
    "<output><port id='3'><dim>-1</dim></port></output></layer>"
    "<layer id='4' name='out' type='Result'><input><port id='0'/></input></layer>";
constexpr const char* kLookupEdges =
    "<edge from-layer='1' from-port='0' to-layer='3' to-port='0'/>"
    "<edge from-layer='0' from-port='0' to-layer='3' to-port='1'/>"
    "<edge from-layer='2' from-port='0' to-layer='3' to-port='2'/>"
    "<edge from-layer='3' from-port='3' to-layer='4' to-port='0'/>";

std::string Table(const std::string& data) {
  return std::string(kLookup) + "<layer id='1' name='table' type='Const'><data " + data +
         "/><output><port id='0'><dim>4</dim><dim>4</dim></port></output></layer>";
}

TEST_F(Graph, ConstantsStayInsideTheFile) {
  EXPECT_EQ(Open(Table("element_type='f32' shape='4,4' offset='0' size='64'"), kLookupEdges), "");
  for (const char* data : {"element_type='f32' shape='4,4' offset='4' size='64'",
                           "element_type='f32' shape='4,4' offset='-4' size='64'",
                           "element_type='f32' shape='4,4' offset='18446744073709551612' size='64'",
                           "element_type='f32' shape='4,4' offset='0' size='32'",
                           "element_type='f32' shape='4,4' offset='0' size='-1'",
                           "element_type='f32' shape='4294967296,4294967296' offset='0' size='64'",
                           "element_type='f32' shape='1099511627776,4' offset='0' size='64'",
                           "element_type='f32' shape='4,x' offset='0' size='64'",
                           "element_type='f32' shape='-4,-4' offset='0' size='64'",
                           "element_type='q3' shape='4,4' offset='0' size='64'", ""}) {
    const std::string message = Open(Table(data), kLookupEdges);
    EXPECT_NE(message.find("layer table"), std::string::npos) << data << ": " << message;
  }
}

TEST_F(Graph, CyclesAndLooseEndsAreRefused) {
  const std::string table = Table("element_type='f32' shape='4,4' offset='0' size='64'");
  const std::string pair =
      "<layer id='7' name='a' type='Add'><input><port id='0'/></input><output><port "
      "id='1'/></output></layer>"
      "<layer id='8' name='b' type='Add'><input><port id='0'/></input><output><port "
      "id='1'/></output></layer>";
  EXPECT_NE(Open(table + pair, std::string(kLookupEdges) +
                                   "<edge from-layer='7' from-port='1' to-layer='8' to-port='0'/>"
                                   "<edge from-layer='8' from-port='1' to-layer='7' to-port='0'/>")
                .find("cycle"),
            std::string::npos);
  EXPECT_NE(Open(table + pair, kLookupEdges).find("not connected"), std::string::npos);
  EXPECT_NE(Open(table, std::string(kLookupEdges) +
                            "<edge from-layer='9' from-port='0' to-layer='3' to-port='0'/>")
                .find("does not exist"),
            std::string::npos);
  EXPECT_THAT(Open(table + "<layer id='7' name='a' type='Add'><input><port id='0'/></input><output>"
                           "<port id='1'/></output></layer>",
                   std::string(kLookupEdges) +
                       "<edge from-layer='7' from-port='1' to-layer='7' to-port='0'/>"),
              HasSubstr("cycle"));
  EXPECT_THAT(Open(table, std::string(kLookupEdges) +
                              "<edge from-layer='1' from-port='0' to-layer='3' to-port='0'/>"),
              HasSubstr("two edges"));
  EXPECT_THAT(Open(table, std::string(kLookupEdges) +
                              "<edge from-layer='1' from-port='4' to-layer='3' to-port='0'/>"),
              HasSubstr("a port that does not exist"));
  EXPECT_THAT(Open(table + table, kLookupEdges), HasSubstr("no number of its own"));
  EXPECT_THAT(Open("", ""), HasSubstr("one result"));
  EXPECT_THAT(Open("<layer", ""), HasSubstr("is not XML"));
}

// Entities would expand exponentially if they were read; elements may be nested arbitrarily deep.
TEST_F(Graph, XmlDoesNotMultiply) {
  Open("", "");
  std::string entities = "<!ENTITY a0 'aaaaaaaaaa'>";
  for (int i = 1; i < 30; ++i) {
    const std::string below = "&a" + std::to_string(i - 1) + ";";
    entities += "<!ENTITY a" + std::to_string(i) + " '" + below + below + below + "'>";
  }
  const std::string graph =
      "<layers><layer id='0' name='&a29;' type='Parameter'/></layers><edges/></net>";
  WriteText(folder_.path() / "g.xml", "<!DOCTYPE net [" + entities + "]><net>" + graph);
  EXPECT_THAT(Read(), HasSubstr("one result"));
  std::string deep = "<net>";
  for (int i = 0; i < 1'000'000; ++i) deep += "<a>";
  for (int i = 0; i < 1'000'000; ++i) deep += "</a>";
  WriteText(folder_.path() / "g.xml", deep + graph);
  EXPECT_THAT(Read(), HasSubstr("one result"));
}

// Shapes that the graph only declares, for what no constant stands behind.
TEST_F(Graph, DeclaredShapesCostNothing) {
  std::string layers = Table("element_type='f32' shape='4,4' offset='0' size='64'");
  const std::string honest = "<dim>4</dim><dim>4</dim>";
  for (const char* extents :
       {"<dim>1099511627776</dim><dim>1099511627776</dim>", "<dim>-5</dim><dim>4</dim>",
        "<dim>99999999999999999999</dim><dim>4</dim>", "<dim>x</dim><dim/>"}) {
    std::string changed = layers;
    changed.replace(changed.rfind(honest), honest.size(), extents);
    EXPECT_EQ(Open(changed, kLookupEdges), "") << extents;  // the constant's own shape counts
  }
}

// Each layer of constants would double the memory without a limit.
TEST_F(Graph, ConstantsDoNotMultiply) {
  std::string layers = Table("element_type='f32' shape='4,4' offset='0' size='64'"), edges;
  int last = 1;
  for (int id = 10; id < 200; ++id) {
    layers += std::string("<layer id='") + std::to_string(id) +
              "' name='m' type='Multiply'><input><port id='0'/><port id='1'/></input><output><port "
              "id='2'><dim>4</dim><dim>4</dim></port></output></layer>";
    for (const char* port : {"0", "1"}) {
      edges += std::string("<edge from-layer='") + std::to_string(last) + "' from-port='" +
               (last == 1 ? "0" : "2") + "' to-layer='" + std::to_string(id) + "' to-port='" +
               port + "'/>";
    }
    last = id;
  }
  std::string lookup = kLookupEdges;
  lookup.replace(lookup.find("from-layer='1' from-port='0'"), 28,
                 std::string("from-layer='") + std::to_string(last) + "' from-port='2'");
  EXPECT_NE(Open(layers, edges + lookup), "");
}

TEST(HostileJava, ReferencesDoNotNestWithoutEnd) {
  // [ [ [ ... through references: every array holds the one before it.
  std::string bytes("\xac\xed\x00\x05\x75\x72\x00\x13[Ljava.lang.Object;", 27);
  bytes += std::string(8, '\0') + std::string("\x02\x00\x00\x78\x70", 5);
  const auto count = [](uint32_t n) {
    return std::string{static_cast<char>(n >> 24), static_cast<char>(n >> 16),
                       static_cast<char>(n >> 8), static_cast<char>(n)};
  };
  bytes += count(5000);
  for (uint32_t i = 0; i < 5000; ++i) {
    bytes += std::string("\x75\x71\x00\x7e\x00\x00", 6) + count(1);
    bytes += i == 0 ? std::string("\x70") : std::string("\x71") + count(0x7e0001 + i);
  }
  EXPECT_NE(MessageOf([&] {
              ParseJavaStream("x", {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
            }).find("too deep"),
            std::string::npos);
}

}  // namespace
}  // namespace uffizi
