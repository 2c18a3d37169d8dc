#ifndef UFFIZI_TASKS_PARSERS_H_
#define UFFIZI_TASKS_PARSERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "tasks/answer_text.h"
#include "tasks/dequantize.h"
#include "uffizi/types.h"

// One parser per form of answer. They find the same as transformers' Florence2PostProcessor, also
// in damaged answers, but in one pass, whereas its regular expressions take quadratic time on
// hostile text. Differences: coordinates stay floats, locations have only ASCII digits, and numbers
// above kMaxBin, on which it fails, are read as kMaxBin.
namespace uffizi {

// The answer itself: without <s> and </s>, stripped. The processor keeps <pad>.
std::string ParseText(std::string_view raw);

// "words<loc>x4..." (OD, dense region captions): one region for each four locations; one to three
// leftover locations are dropped, as are locations without words. Non-ASCII characters are removed
// from labels.
std::vector<Region> ParseBoxes(const AnswerText& answer, PictureSize size);

// ParseBoxes() for grounding, which drops phrases like "it" and "the image"
// (IsGroundingStopPhrase).
std::vector<Region> ParseGrounding(const AnswerText& answer, PictureSize size);

// "<loc>x4...", the words ignored: labels are "".
std::vector<Region> ParseProposals(const AnswerText& answer, PictureSize size);

// "words<loc>x8" on one line (OCR with regions). Labels keep every character, including everything
// between the previous quad and this one.
std::vector<Region> ParseQuads(const AnswerText& answer, PictureSize size);

// Instances: a run of at least four marks (locations, <sep>, <poly>, </poly>) is one instance, or
// one for each <poly>...</poly> in it. Their polygons end with <sep> or with the instance. A
// polygon of one location has no point and is kept empty, as by the processor. Bare: words between
// the runs are ignored (the two segmentation tasks).
std::vector<Region> ParseBarePolygons(const AnswerText& answer, PictureSize size);
// Labelled: each run needs words before it, which label its instances.
std::vector<Region> ParseLabelledPolygons(const AnswerText& answer, PictureSize size);

// Labelled polygons if `raw`, the answer with its special tokens, has a "<poly>" anywhere; else
// boxes.
std::vector<Region> ParseOpenVocabulary(std::string_view raw, const AnswerText& answer,
                                        PictureSize size);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_PARSERS_H_
