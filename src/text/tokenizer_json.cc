// Reads tokenizer.json, the file of the `tokenizers` library, as far as byte-level BPE uses it.
// Sources of the format: huggingface/tokenizers, src/tokenizer/serialization.rs,
// src/models/bpe/serialization.rs, src/pre_tokenizers/byte_level.rs, src/processors/.

#include "core/json_reader.h"
#include "text/tokenizer_spec.h"

namespace uffizi {
namespace {

std::string TypeOf(const JsonReader& stage) { return stage.At("type").String(); }

// The stage itself, or the only stage of a Sequence.
JsonReader SoleStage(const JsonReader& stage, const std::string& list_key) {
  if (TypeOf(stage) != "Sequence") return stage;
  const std::vector<JsonReader> stages = stage.At(list_key).Items();
  if (stages.size() != 1) stage.Unsupported("a Sequence is supported only with one stage");
  return stages.front();
}

// The file's stage, whose type must be ByteLevel.
JsonReader ByteLevelStage(const JsonReader& file, const std::string& key,
                          const std::string& list_key) {
  const std::optional<JsonReader> outer = file.Find(key);
  if (!outer) file.Unsupported(key + " is missing (ByteLevel is the supported one)");
  const JsonReader stage = SoleStage(*outer, list_key);
  const std::string type = TypeOf(stage);
  if (type != "ByteLevel") stage.Unsupported(QuoteToken(type) + " is not supported");
  return stage;
}

void ReadVocab(const JsonReader& vocab, TokenizerSpec& spec) {
  if (!vocab.IsObject()) vocab.Fail("must be an object");
  spec.vocab.reserve(vocab.value().size());
  for (const auto& [token, id] : vocab.value().items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > kMaxTokenId) {
      vocab.Fail("the id of " + QuoteToken(token) + " must be an integer from 0 to " +
                 std::to_string(kMaxTokenId));
    }
    spec.vocab.emplace_back(token, id.get<int>());
  }
}

void ReadMerges(const JsonReader& merges, TokenizerSpec& spec) {
  if (!merges.value().is_array()) merges.Fail("must be a list");
  spec.merges.reserve(merges.value().size());
  for (const nlohmann::json& merge : merges.value()) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      spec.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    std::optional<std::pair<std::string, std::string>> pair;
    if (merge.is_string()) {
      const auto& line = merge.get_ref<const std::string&>();
      if (line.starts_with("#version")) continue;
      pair = ParseMerge(line);
    }
    if (!pair) {
      merges.Fail("merge " + std::to_string(spec.merges.size()) +
                  R"( is neither "left right" nor ["left", "right"])");
    }
    spec.merges.push_back(*std::move(pair));
  }
}

void ReadModel(const JsonReader& model, TokenizerSpec& spec) {
  const std::string type = model.StringOr("type", "BPE");  // old files leave it out
  if (type != "BPE") model.Unsupported("the type " + QuoteToken(type) + " is not supported");
  const std::optional<JsonReader> dropout = model.Find("dropout");
  if (dropout && dropout->Number() != 0) model.Unsupported("dropout is not supported");
  if (model.BoolOr("byte_fallback", false)) model.Unsupported("byte_fallback is not supported");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.StringOr(affix, "").empty()) {
      model.Unsupported(std::string(affix) + " is not supported");
    }
  }
  if (const std::optional<JsonReader> unk = model.Find("unk_token")) spec.unk_token = unk->String();
  spec.fuse_unk = model.BoolOr("fuse_unk", false);
  spec.ignore_merges = model.BoolOr("ignore_merges", false);
  ReadVocab(model.At("vocab"), spec);
  ReadMerges(model.At("merges"), spec);
}

void ReadAddedTokens(const JsonReader& tokens, TokenizerSpec& spec) {
  for (const JsonReader& node : tokens.Items()) {
    node.Int("id", 0, kMaxTokenId);
    AddedToken token;
    token.content = node.At("content").String();
    token.special = node.BoolOr("special", false);
    token.normalized = node.BoolOr("normalized", !token.special);
    token.lstrip = node.BoolOr("lstrip", false);
    token.rstrip = node.BoolOr("rstrip", false);
    token.single_word = node.BoolOr("single_word", false);
    spec.added_tokens.push_back(std::move(token));
  }
}

// ["<s>", 0]
int IdOfPair(const JsonReader& pair) {
  const std::vector<JsonReader> items = pair.Items();
  if (items.size() != 2) pair.Fail("must be a token and its id");
  return items[1].Int(0, kMaxTokenId);
}

// The `single` template: special tokens around the one sequence A.
void ReadTemplate(const JsonReader& processor, std::vector<int>& prefix, std::vector<int>& suffix) {
  const JsonReader special_tokens = processor.At("special_tokens");
  int sequences = 0;
  for (const JsonReader& piece : processor.At("single").Items()) {
    if (const std::optional<JsonReader> special = piece.Find("SpecialToken")) {
      for (const JsonReader& id : special_tokens.At(special->At("id").String()).At("ids").Items()) {
        (sequences == 0 ? prefix : suffix).push_back(id.Int(0, kMaxTokenId));
      }
    } else if (piece.At("Sequence").At("id").String() == "A") {
      ++sequences;
    } else {
      piece.Fail("a template for a single sequence may contain only sequence A");
    }
  }
  if (sequences != 1) processor.Unsupported("a template must contain sequence A exactly once");
}

void ReadProcessor(const JsonReader& processor, TokenizerSpec& spec) {
  const std::string type = TypeOf(processor);
  if (type == "ByteLevel") return;  // is about offsets only
  std::vector<int> prefix, suffix;
  if (type == "RobertaProcessing" || type == "BertProcessing") {
    prefix = {IdOfPair(processor.At("cls"))};
    suffix = {IdOfPair(processor.At("sep"))};
  } else if (type == "TemplateProcessing") {
    ReadTemplate(processor, prefix, suffix);
  } else {
    processor.Unsupported(QuoteToken(type) + " is not supported");
  }
  // The library would also put the second one's tokens around each of the first one's.
  if (!spec.prefix_ids.empty() || !spec.suffix_ids.empty()) {
    processor.Unsupported("a second processor that adds tokens is not supported");
  }
  spec.prefix_ids = prefix;
  spec.suffix_ids = suffix;
}

}  // namespace

TokenizerSpec ReadTokenizerJson(const std::filesystem::path& path) {
  const JsonReader file = JsonReader::Open(path);
  const std::string version = file.StringOr("version", "1.0");
  if (version != "1.0") file.Unsupported("version " + QuoteToken(version) + " is not supported");
  if (const std::optional<JsonReader> normalizer = file.Find("normalizer")) {
    normalizer->Unsupported(QuoteToken(TypeOf(*normalizer)) + " is not supported");
  }
  TokenizerSpec spec;
  spec.vocab_file = spec.merges_file = path.string();
  const JsonReader splitter = ByteLevelStage(file, "pre_tokenizer", "pretokenizers");
  spec.add_prefix_space = splitter.At("add_prefix_space").Bool();
  spec.use_regex = splitter.BoolOr("use_regex", true);
  ByteLevelStage(file, "decoder", "decoders");
  if (const std::optional<JsonReader> processor = file.Find("post_processor")) {
    if (TypeOf(*processor) == "Sequence") {
      for (const JsonReader& part : processor->At("processors").Items()) ReadProcessor(part, spec);
    } else {
      ReadProcessor(*processor, spec);
    }
  }
  ReadModel(file.At("model"), spec);
  if (const std::optional<JsonReader> tokens = file.Find("added_tokens")) {
    ReadAddedTokens(*tokens, spec);
  }
  return spec;
}

}  // namespace uffizi
