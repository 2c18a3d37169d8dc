#ifndef UFFIZI_GENERATE_BEAM_SEARCH_H_
#define UFFIZI_GENERATE_BEAM_SEARCH_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "generate/logits_rules.h"
#include "generate/row_scan.h"
#include "generate/sampler.h"
#include "generate/search.h"

namespace uffizi {

// Keeps the num_beams most likely running sequences at every step, and the num_beams best finished
// ones.
//
// A sequence's score is the sum of its tokens' log-probabilities after the rules; one that has
// ended is ranked by score / (tokens generated)^length_penalty. Only a token among the num_beams
// best candidates of a step can end a sequence; the other candidates are there to keep num_beams
// sequences going. With do_sample a step's candidates are not the best, but drawn without
// replacement by their scores.
class BeamSearch : public Search {
 public:
  explicit BeamSearch(const GenerationConfig& config);

  std::span<const SearchRow> rows() const override { return rows_; }
  void Advance(std::span<float> logits, int vocab) override;
  Generated result() const override;

 private:
  struct Beam {
    std::vector<int> history;             // the decoder's start token, then the answer
    std::vector<float> logprobs;          // the model's own, of the answer
    std::vector<LocationSpread> spreads;  // of the answer's locations
    float score = 0;                      // ranked by length if it has ended
    Ending ending = Ending::kNone;
  };

  // The best continuations of all running beams, best first; with do_sample, Draw's.
  std::span<const Candidate> FindCandidates(std::span<float> logits, int vocab);
  // As many of the continuations, drawn by their scores, best first.
  std::span<const Candidate> Draw();
  // Makes `beam` the running beam candidate.row plus the candidate's token.
  void Extend(const Candidate& candidate, Beam& beam) const;
  // Adds the candidate to the finished beams if it is good enough.
  void Finish(const Candidate& candidate, Ending ending);
  // Whether the search may stop although beams are running.
  bool IsGoodEnough() const;
  float RankByLength(float score, int generated) const;

  // The vectors of beams below always have num_beams elements, so that their memory is reused;
  // separate counts say how many are valid.
  GenerationConfig config_;
  LogitsRules rules_;
  int length_ = 1;  // tokens of each running beam, the decoder's start token included
  std::vector<Beam> running_;
  size_t running_count_ = 1;
  std::vector<Beam> next_;   // running_ of the next step
  std::vector<Beam> ended_;  // best first
  size_t ended_count_ = 0;
  std::vector<SearchRow> rows_;
  std::vector<ScoreRow> scores_;  // of each row
  BestCandidates candidates_;
  std::optional<Sampler> sampler_;
  std::vector<Candidate> drawn_;
};

}  // namespace uffizi

#endif  // UFFIZI_GENERATE_BEAM_SEARCH_H_
