#ifndef UFFIZI_TASKS_PARSERS_H_
#define UFFIZI_TASKS_PARSERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "tasks/answer_text.h"
#include "tasks/dequantize.h"
#include "uffizi/types.h"

// One parser per answer shape. They find what transformers' Florence2PostProcessor finds, damaged
// answers included, each in one pass over the answer: its regular expressions are quadratic on
// hostile text. What differs: coordinates stay floats, locations are of ASCII digits only, and
// numbers over kMaxBin, on which it fails, are read as kMaxBin.
namespace uffizi {

// The answer itself: without <s> and </s>, stripped. The processor leaves <pad> where it is.
std::string ParseText(std::string_view raw);

// "words<loc>x4..." (OD, dense region captions): one region for each four locations; one to three
// left over are dropped, as are locations without words. Labels lose what is not ASCII.
std::vector<Region> ParseBoxes(const AnswerText& answer, PictureSize size);

// The same for grounding, which drops phrases like "it" and "the image" (IsGroundingStopPhrase).
std::vector<Region> ParseGrounding(const AnswerText& answer, PictureSize size);

// "<loc>x4...", the words ignored: labels are "".
std::vector<Region> ParseProposals(const AnswerText& answer, PictureSize size);

// "words<loc>x8" on one line (OCR with regions). Labels keep every character, and whatever stands
// between the last quad and this one.
std::vector<Region> ParseQuads(const AnswerText& answer, PictureSize size);

// Instances: a run of at least four marks (locations, <sep>, <poly>, </poly>) is one instance, or
// one for each <poly>...</poly> in it. Their polygons end with <sep> or with the instance. A
// polygon of one location has no point and is passed on empty, as the processor does. Bare: words
// between the runs are ignored (the two segmentation tasks).
std::vector<Region> ParseBarePolygons(const AnswerText& answer, PictureSize size);
// Labelled: each run needs words before it, which label its instances.
std::vector<Region> ParseLabelledPolygons(const AnswerText& answer, PictureSize size);

// Labelled polygons if `raw`, the answer with its special tokens, has a "<poly>" anywhere; else
// boxes.
std::vector<Region> ParseOpenVocabulary(std::string_view raw, const AnswerText& answer,
                                        PictureSize size);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_PARSERS_H_
