#include "tasks/grounding_stop_phrases.h"

#include <algorithm>
#include <iterator>

namespace uffizi {
namespace {

// Sorted, for the binary search.
constexpr std::string_view kStopPhrases[] = {
    "I",          "a",           "a group",  "a set",         "all",      "an",
    "another",    "any",         "anybody",  "anyone",        "anything", "each",
    "each other", "everybody",   "everyone", "everything",    "few",      "he",
    "her",        "hers",        "herself",  "him",           "himself",  "his",
    "image",      "images",      "it",       "its",           "itself",   "lots",
    "many",       "me",          "mine",     "myself",        "nobody",   "none",
    "one",        "one another", "oneself",  "other objects", "our",      "ours",
    "ourselves",  "several",     "she",      "some",          "somebody", "someone",
    "something",  "that",        "the",      "the image",     "their",    "theirs",
    "them",       "themselves",  "these",    "they",          "this",     "those",
    "us",         "we",          "what",     "which",         "who",      "whom",
    "whose",      "you",         "your",     "yours",         "yourself", "yourselves"};
static_assert(std::is_sorted(std::begin(kStopPhrases), std::end(kStopPhrases)));

}  // namespace

bool IsGroundingStopPhrase(std::string_view phrase) {
  return std::binary_search(std::begin(kStopPhrases), std::end(kStopPhrases), phrase);
}

}  // namespace uffizi
