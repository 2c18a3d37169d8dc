#include "dataset/class_files.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "core/ascii.h"
#include "core/mapped_file.h"
#include "core/owned_files.h"
#include "dataset/output_names.h"
#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxBytes = size_t{16} << 20;
constexpr std::string_view kMark = "# names by uffizi: ";

[[noreturn]] void Fail(const std::string& source, const std::string& reason) {
  throw Error(ErrorCode::kInvalidArgument, source + ": " + reason);
}

std::vector<std::string_view> Lines(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// A hash to detect changes of a list of names.
std::string Fingerprint(const std::vector<std::string>& names) {
  uint64_t hash = HashText("");
  for (const std::string& name : names) hash = HashText(name + '\n', hash);
  return HexOf(hash);
}

// Reads YAML scalars one after another.
class Scanner {
 public:
  Scanner(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  // Skips blanks, line breaks and comments.
  void SkipSpace() {
    while (!text_.empty()) {
      if (text_[0] == '#') {
        text_.remove_prefix(std::min(text_.find('\n'), text_.size()));
      } else if (std::string_view(" \t\r\n").find(text_[0]) != std::string_view::npos) {
        text_.remove_prefix(1);
      } else {
        return;
      }
    }
  }

  bool Take(char c) {
    SkipSpace();
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  // A scalar that is quoted, or ends before one of `ends`.
  std::string Scalar(std::string_view ends) {
    SkipSpace();
    if (text_.starts_with('\'')) return SingleQuoted();
    if (text_.starts_with('"')) return DoubleQuoted();
    size_t end = 0;
    while (end < text_.size() && ends.find(text_[end]) == ends.npos &&
           !(text_[end] == '#' && end > 0 && text_[end - 1] == ' ')) {
      ++end;
    }
    const std::string scalar(Trim(text_.substr(0, end)));
    text_.remove_prefix(end);
    if (scalar.empty() ||
        std::string_view("&*!|>[{%@`").find(scalar[0]) != std::string_view::npos) {
      Fail(source_, "its names cannot be read; give them with --classes FILE, one a line");
    }
    return scalar;
  }

  bool empty() const { return text_.empty(); }

 private:
  std::string SingleQuoted() {
    std::string scalar;
    for (size_t i = 1; i < text_.size(); ++i) {
      if (text_[i] != '\'') {
        scalar += text_[i];
      } else if (i + 1 < text_.size() && text_[i + 1] == '\'') {
        scalar += text_[i++];
      } else {
        text_.remove_prefix(i + 1);
        return scalar;
      }
    }
    Fail(source_, "a quote in its names is not closed");
  }

  // Parsed as a JSON string, which most of these are.
  std::string DoubleQuoted() {
    for (size_t i = 1; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '"') {
        const auto json = nlohmann::json::parse(text_.substr(0, i + 1), nullptr, false);
        if (!json.is_string()) break;
        text_.remove_prefix(i + 1);
        return json.get<std::string>();
      }
    }
    Fail(source_, "a quote in its names cannot be read");
  }

  std::string_view text_;
  const std::string& source_;
};

// Where the names stand in a data.yaml.
struct NamesBlock {
  size_t first = 0, end = 0;  // lines
  bool found = false;
};

NamesBlock FindNames(const std::vector<std::string_view>& lines) {
  NamesBlock block;
  while (block.first < lines.size() && !lines[block.first].starts_with("names:")) ++block.first;
  block.found = block.first < lines.size();
  if (!block.found) return block;
  block.end = block.first + 1;
  const std::string_view value = Trim(lines[block.first].substr(6));
  const bool flow = value.starts_with('[') || value.starts_with('{');
  // A flow value may continue over lines of any indentation; a block ends at the next key.
  const char close = value.starts_with('[') ? ']' : '}';
  const auto ends_flow = [&](std::string_view line) { return Trim(line).ends_with(close); };
  if (flow && ends_flow(value)) return block;
  while (block.end < lines.size()) {
    const std::string_view line = lines[block.end];
    const bool key =
        !line.empty() && line[0] != ' ' && line[0] != '\t' && line[0] != '-' && line[0] != '#';
    if (!flow && key) break;
    ++block.end;
    if (flow && ends_flow(line)) break;
  }
  while (!flow && block.end > block.first + 1 &&
         (Trim(lines[block.end - 1]).empty() || Trim(lines[block.end - 1]).starts_with('#'))) {
    --block.end;
  }
  return block;
}

std::vector<std::string> InOrder(const std::map<long, std::string>& numbered,
                                 const std::string& source) {
  std::vector<std::string> names;
  for (const auto& [number, name] : numbered) {
    if (number != static_cast<long>(names.size())) {
      Fail(source, "its classes are not numbered 0, 1, 2, ...");
    }
    names.push_back(name);
  }
  return names;
}

long Number(const std::string& text, const std::string& source) {
  long number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    Fail(source, text + " is not a class number");
  }
  return number;
}

std::vector<std::string> ParseNames(Scanner scanner, const std::string& source) {
  std::vector<std::string> names;
  std::map<long, std::string> numbered;
  if (scanner.Take('[')) {
    while (!scanner.Take(']')) {
      names.push_back(scanner.Scalar(",]\n"));
      scanner.Take(',');
      if (scanner.empty()) Fail(source, "its list of names is not closed");
    }
    return names;
  }
  const bool flow = scanner.Take('{');
  for (scanner.SkipSpace(); !scanner.empty() && !(flow && scanner.Take('}')); scanner.SkipSpace()) {
    if (!flow && scanner.Take('-')) {
      names.push_back(scanner.Scalar("\n"));
      continue;
    }
    const long number = Number(scanner.Scalar(":\n"), source);
    if (!scanner.Take(':')) Fail(source, "its names cannot be read");
    numbered[number] = scanner.Scalar(flow ? ",}\n" : "\n");
    if (flow) scanner.Take(',');
  }
  return names.empty() ? InOrder(numbered, source) : names;
}

bool IsYaml(const fs::path& file) {
  return file.extension() == ".yaml" || file.extension() == ".yml";
}

}  // namespace

std::vector<std::string> ParseClassLines(std::string_view text, const std::string& source) {
  std::vector<std::string> names;
  size_t empty = 0;
  for (const std::string_view line : Lines(text)) {
    const std::string_view name = Trim(line);
    if (name.empty()) {
      ++empty;
      continue;
    }
    // An empty line in the middle may or may not be a class, so the numbers after it are ambiguous.
    if (empty > 0) Fail(source, "line " + std::to_string(names.size() + 1) + " is empty");
    names.emplace_back(name);
  }
  return names;
}

std::vector<std::string> ParseYamlNames(std::string_view text, const std::string& source) {
  const std::vector<std::string_view> lines = Lines(text);
  const NamesBlock block = FindNames(lines);
  if (!block.found) Fail(source, "has no names");
  std::string value(lines[block.first].substr(6));
  for (size_t i = block.first + 1; i < block.end; ++i) {
    value += '\n';
    value += lines[i];
  }
  return ParseNames(Scanner(value, source), source);
}

std::vector<std::string> ReadClassFile(const fs::path& file) {
  const std::string text = ReadFile(file, kMaxBytes);
  std::vector<std::string> names =
      IsYaml(file) ? ParseYamlNames(text, file.string()) : ParseClassLines(text, file.string());
  if (names.empty()) Fail(file.string(), "names no class");
  return names;
}

std::string WithYamlNames(std::string_view text, const std::vector<std::string>& names) {
  std::string block = std::string(kMark) + Fingerprint(names) + "\nnames:\n";
  for (size_t i = 0; i < names.size(); ++i) {
    block += "  " + std::to_string(i) + ": ";
    // JSON strings are valid YAML.
    block +=
        nlohmann::json(names[i]).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
        "\n";
  }
  if (names.empty()) block = std::string(kMark) + Fingerprint(names) + "\nnames: {}\n";
  const std::vector<std::string_view> lines = Lines(text);
  if (lines.empty()) return "path: .\ntrain: images\nval: images\n" + block;
  const NamesBlock old = FindNames(lines);
  std::string result;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (old.found && i == old.first) result += block;
    if (old.found && i >= old.first && i < old.end) continue;
    if (lines[i].starts_with(kMark)) continue;
    if (lines[i].starts_with("nc:")) {
      result += "nc: " + std::to_string(names.size()) + "\n";
    } else {
      result += lines[i];
      result += '\n';
    }
  }
  return old.found ? result : result + block;
}

DataSetClasses ReadDataSetClasses(const fs::path& folder, bool half_written) {
  DataSetClasses classes;
  const fs::path list = folder / "classes.txt", yaml = folder / "data.yaml";
  std::optional<std::vector<std::string>> listed, described;
  if (IdentityOf(list)) listed = ParseClassLines(ReadFile(list, kMaxBytes), list.string());
  if (IdentityOf(yaml)) {
    const std::string text = ReadFile(yaml, kMaxBytes);
    described = ParseYamlNames(text, yaml.string());
    const std::string mark = std::string(kMark) + Fingerprint(*described);
    const std::vector<std::string_view> lines = Lines(text);
    classes.ours = std::find(lines.begin(), lines.end(), mark) != lines.end();
  }
  classes.found = listed || described;
  if (listed && described && *listed != *described) {
    const size_t shared = std::min(listed->size(), described->size());
    size_t at = 0;
    while (at < shared && (*listed)[at] == (*described)[at]) ++at;
    if (half_written && at == shared) {
      classes.names = listed->size() > shared ? *listed : *described;
      return classes;
    }
    const auto show = [&](const std::vector<std::string>& names) {
      return at < names.size() ? names[at] : "none";
    };
    Fail(folder.string(), "class " + std::to_string(at) + " is " + show(*listed) +
                              " in classes.txt and " + show(*described) + " in data.yaml");
  }
  if (classes.found) classes.names = listed ? *listed : *described;
  return classes;
}

}  // namespace uffizi::dataset
