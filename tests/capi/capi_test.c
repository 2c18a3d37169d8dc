/* The C interface, from C: every function, its errors, and handles freed in any order. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uffizi/uffizi.h"

static int failures = 0;

#define CHECK(condition)                                                                      \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      ++failures;                                                                             \
      fprintf(stderr, "%s:%d: not so: %s (last error: %s)\n", __FILE__, __LINE__, #condition, \
              uffizi_last_error());                                                           \
    }                                                                                         \
  } while (0)

/* A call that must give `status`, and, unless that is UFFIZI_OK, a message holding `words`. */
#define CHECK_STATUS(call, status, words)                             \
  do {                                                                \
    CHECK((call) == (status));                                        \
    CHECK(strstr(uffizi_last_error(), (words)) != NULL || !*(words)); \
  } while (0)
#define CHECK_OK(call) CHECK_STATUS(call, UFFIZI_OK, "")

static char path_buffer[4096];

static const char* Join(const char* folder, const char* name) {
  snprintf(path_buffer, sizeof path_buffer, "%s/%s", folder, name);
  return path_buffer;
}

static uffizi_options* Options(const char* name, const char* value) {
  uffizi_options* options = NULL;
  CHECK_OK(uffizi_options_new(&options));
  CHECK_OK(uffizi_options_set(options, name, value));
  return options;
}

static uffizi_question Ask(const uffizi_encoded* picture, const char* text,
                           const uffizi_options* options) {
  uffizi_question question = {picture, text, strlen(text), options};
  return question;
}

static void TestStatusNames(void) {
  CHECK(strcmp(uffizi_status_name(UFFIZI_OK), "ok") == 0);
  CHECK(strcmp(uffizi_status_name(UFFIZI_INVALID_IMAGE), "invalid_image") == 0);
  CHECK(strcmp(uffizi_status_name(UFFIZI_OUT_OF_MEMORY), "out_of_memory") == 0);
  CHECK(uffizi_status_name((uffizi_status)99) == NULL);
  CHECK(strchr(uffizi_version(), '.') != NULL);
}

static void TestPictures(const char* data) {
  uffizi_image* image = NULL;
  CHECK_OK(uffizi_image_read(Join(data, "image/baseline.jpg"), NULL, &image));
  CHECK(uffizi_image_width(image) == 61 && uffizi_image_height(image) == 43);

  /* PNG loses nothing. */
  uffizi_bytes* png = NULL;
  uffizi_image* again = NULL;
  CHECK_OK(uffizi_image_encode(image, "png", 0, &png));
  CHECK_OK(
      uffizi_image_decode(uffizi_bytes_data(png), uffizi_bytes_size(png), "a.png", NULL, &again));
  CHECK(memcmp(uffizi_image_pixels(image), uffizi_image_pixels(again), 61 * 43 * 3) == 0);
  CHECK_STATUS(uffizi_image_decode(uffizi_bytes_data(png), 40, "broken.png", NULL, &again),
               UFFIZI_INVALID_IMAGE, "broken.png");
  uffizi_options* small = Options("max_pixels", "100");
  CHECK_STATUS(
      uffizi_image_decode(uffizi_bytes_data(png), uffizi_bytes_size(png), "a.png", small, &again),
      UFFIZI_IMAGE_TOO_LARGE, "a.png");
  CHECK_STATUS(uffizi_image_encode(image, "bmp", 0, &png), UFFIZI_INVALID_ARGUMENT, "bmp");
  CHECK_STATUS(uffizi_image_encode(image, "jpeg", 101, &png), UFFIZI_INVALID_ARGUMENT, "quality");
  uffizi_options_free(small);
  uffizi_bytes_free(png);
  uffizi_image_free(again);
  uffizi_image_free(image);

  CHECK_STATUS(uffizi_image_read(Join(data, "no such picture.jpg"), NULL, &image), UFFIZI_NOT_FOUND,
               "no such picture.jpg");
}

static void TestPixels(void) {
  /* Two rows of one pixel and a byte of padding each. */
  const uint8_t pixels[] = {10, 20, 30, 0, 40, 50, 60};
  uffizi_image* image = NULL;
  CHECK_OK(uffizi_image_from_pixels(pixels, sizeof pixels, 1, 2, 4, UFFIZI_BGR, &image));
  const uint8_t rgb[] = {30, 20, 10, 60, 50, 40};
  CHECK(memcmp(uffizi_image_pixels(image), rgb, sizeof rgb) == 0);
  uffizi_image_free(image);

  const uint8_t bgra[] = {10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 200, 51};
  CHECK_OK(uffizi_image_from_pixels(bgra, sizeof bgra, 3, 1, 0, UFFIZI_BGRA, &image));
  const uint8_t over_white[] = {30, 20, 10, 255, 255, 255, 244, 224, 204};
  CHECK(memcmp(uffizi_image_pixels(image), over_white, sizeof over_white) == 0);
  uffizi_image_free(image);

  CHECK_OK(uffizi_image_from_pixels(pixels, 2, 2, 1, 0, UFFIZI_GRAY, &image));
  const uint8_t gray[] = {10, 10, 10, 20, 20, 20};
  CHECK(memcmp(uffizi_image_pixels(image), gray, sizeof gray) == 0);
  uffizi_image_free(image);

  CHECK_STATUS(uffizi_image_from_pixels(pixels, 5, 1, 2, 0, UFFIZI_RGB, &image),
               UFFIZI_INVALID_IMAGE, "5 bytes are too few");
  CHECK_STATUS(uffizi_image_from_pixels(pixels, 7, 0, 2, 0, UFFIZI_RGB, &image),
               UFFIZI_INVALID_IMAGE, "0 x 2");
  CHECK_STATUS(uffizi_image_from_pixels(pixels, 7, 1, 0x7fffffff, SIZE_MAX / 4, UFFIZI_RGB, &image),
               UFFIZI_INVALID_IMAGE, "too few");
  CHECK_STATUS(uffizi_image_from_pixels(pixels, 7, 1, 1, 0, 9, &image), UFFIZI_INVALID_ARGUMENT,
               "9");
}

static void TestLoading(const char* model, const char* data) {
  uffizi_engine* engine = NULL;
  CHECK_STATUS(uffizi_engine_load(Join(data, "no such model"), NULL, &engine), UFFIZI_NOT_FOUND,
               "no such model");
  CHECK_STATUS(uffizi_engine_load(Join(data, "image"), NULL, &engine), UFFIZI_INVALID_MODEL, "");
  CHECK_STATUS(uffizi_engine_load(NULL, NULL, &engine), UFFIZI_INVALID_ARGUMENT, "folder");
  CHECK_STATUS(uffizi_engine_load(model, NULL, NULL), UFFIZI_INVALID_ARGUMENT, "out");
  CHECK(engine == NULL);

  uffizi_bytes* folder = NULL;
  CHECK_STATUS(uffizi_model_resolve(Join(data, "no such model"), &folder), UFFIZI_NOT_FOUND,
               "no such model");
  CHECK_OK(uffizi_model_resolve(model, &folder));
  CHECK(uffizi_bytes_size(folder) == strlen(model));
  CHECK(memcmp(uffizi_bytes_data(folder), model, strlen(model)) == 0);
  uffizi_bytes_free(folder);

  uffizi_options* options = Options("thread", "1");
  CHECK_STATUS(uffizi_engine_load(model, options, &engine), UFFIZI_INVALID_ARGUMENT, "\"thread\"");
  uffizi_options_free(options);
  options = Options("threads", "1.5");
  CHECK_STATUS(uffizi_engine_load(model, options, &engine), UFFIZI_INVALID_ARGUMENT, "1.5");
  uffizi_options_free(options);
  options = Options("compute", "f8");
  CHECK_STATUS(uffizi_engine_load(model, options, &engine), UFFIZI_INVALID_ARGUMENT, "f8");
  CHECK_OK(uffizi_options_set(options, "compute", "f32"));
  CHECK_OK(uffizi_options_set(options, "threads", "2"));
  CHECK_OK(uffizi_engine_load(model, options, &engine));
  CHECK(strstr(uffizi_engine_info(engine), "\"threads\": 2") != NULL);
  CHECK(strstr(uffizi_engine_info(engine), "uffizi-tiny") != NULL);
  uffizi_options_free(options);
  uffizi_engine_free(engine);
  /* One adapter that is for another model, and one that is not there. */
  options = Options("lora", Join(data, "lora/linear"));
  CHECK_STATUS(uffizi_engine_load(model, options, &engine), UFFIZI_INVALID_MODEL, "[96, 32]");
  CHECK_OK(uffizi_options_set(options, "lora", "no such adapter=0.5\nanother"));
  CHECK_STATUS(uffizi_engine_load(model, options, &engine), UFFIZI_NOT_FOUND, "no such adapter:");
  CHECK_OK(uffizi_options_set(options, "lora", "some=thing"));
  CHECK_STATUS(uffizi_engine_load(model, options, &engine), UFFIZI_INVALID_ARGUMENT, "some=thing");
  uffizi_options_free(options);
}

/* A result's regions against its JSON: as many numbers there as the accessors give. */
static void CheckRegions(const uffizi_result* result) {
  const size_t count = uffizi_result_region_count(result);
  for (size_t i = 0; i < count; ++i) {
    uffizi_region region;
    CHECK_OK(uffizi_result_region(result, i, &region));
    CHECK(region.score >= 0 && region.score <= 1);
    CHECK(strstr(uffizi_result_json(result), region.label) != NULL);
    switch (uffizi_result_shape(result)) {
      case UFFIZI_ANSWER_BOXES:
        CHECK(region.box != NULL && region.quad == NULL && region.polygon_count == 0);
        for (int c = 0; c < 4; ++c) CHECK(region.box[c] >= 0 && region.box[c] <= 61);
        break;
      case UFFIZI_ANSWER_QUADS:
        CHECK(region.box == NULL && region.quad != NULL);
        break;
      default:
        CHECK(region.box != NULL || region.polygon_count > 0);
    }
    for (size_t p = 0; p < region.polygon_count; ++p) {
      size_t numbers = 0;
      CHECK(uffizi_result_polygon(result, i, p, &numbers) != NULL);
      CHECK(numbers % 2 == 0);
    }
  }
  uffizi_region none;
  CHECK_STATUS(uffizi_result_region(result, count, &none), UFFIZI_INVALID_ARGUMENT, "no region");
}

static int CountCalls(void* user, size_t question, const char* text) {
  CHECK(question == 1 && text != NULL);
  return ++*(int*)user < 3;
}

static void TestAnswers(uffizi_session* session, const uffizi_encoded* picture,
                        const uffizi_image* image) {
  uffizi_options* short_answer = Options("max_length", "6");
  CHECK_OK(uffizi_options_set(short_answer, "num_beams", "1"));
  uffizi_options* wrong = Options("num_beams", "0");
  uffizi_options* narrow = Options("max_input_length", "3");
  const uffizi_question questions[] = {
      Ask(picture, "<OD>", NULL),
      Ask(picture, "<OD> and more", NULL), /* takes no input */
      Ask(picture, "<CAPTION>", short_answer),
      Ask(picture, "<CAPTION>", wrong),
      Ask(picture, "<CAPTION>", narrow),
      Ask(NULL, "<CAPTION>", NULL),
      Ask(picture, "<REFERRING_EXPRESSION_SEGMENTATION>a book", NULL),
      Ask(picture, "\xC3\xA9t\xC3\xA9 \xE7\xBE\x8E", NULL),
  };
  enum { kCount = sizeof questions / sizeof *questions };
  uffizi_results* results = NULL;
  CHECK_OK(uffizi_session_run(session, questions, kCount, NULL, NULL, &results));
  CHECK(uffizi_results_count(results) == kCount);
  CHECK(uffizi_results_get(results, kCount) == NULL);

  const uffizi_result* boxes = uffizi_results_get(results, 0);
  CHECK(uffizi_result_status(boxes) == UFFIZI_OK && uffizi_result_error(boxes) == NULL);
  CHECK(strcmp(uffizi_result_task(boxes), "<OD>") == 0);
  CHECK(strcmp(uffizi_result_prompt(boxes),
               "Locate the objects with category name in the image.") == 0);
  CHECK(strstr(uffizi_result_text(boxes), "<loc_") != NULL);
  CHECK(strncmp(uffizi_result_json(boxes), "{\"bboxes\": [[", 13) == 0);
  CHECK(uffizi_result_shape(boxes) == UFFIZI_ANSWER_BOXES);
  CHECK(uffizi_result_region_count(boxes) > 0);
  CHECK(uffizi_result_timings(boxes).total > 0);
  CheckRegions(boxes);

  const uffizi_status expected[kCount] = {UFFIZI_OK,
                                          UFFIZI_INVALID_PROMPT,
                                          UFFIZI_OK,
                                          UFFIZI_INVALID_ARGUMENT,
                                          UFFIZI_PROMPT_TOO_LONG,
                                          UFFIZI_INVALID_ARGUMENT,
                                          UFFIZI_OK,
                                          UFFIZI_OK};
  for (size_t i = 0; i < kCount; ++i) {
    const uffizi_result* result = uffizi_results_get(results, i);
    CHECK(uffizi_result_status(result) == expected[i]);
    if (expected[i] == UFFIZI_OK) continue;
    CHECK(*uffizi_result_error(result) != '\0');
    CHECK(uffizi_result_text(result) == NULL && uffizi_result_json(result) == NULL);
    CHECK(uffizi_result_region_count(result) == 0);
    CHECK(uffizi_image_draw(image, result, &(uffizi_image*){NULL}) == expected[i]);
  }

  const uffizi_result* caption = uffizi_results_get(results, 2);
  size_t tokens = 0;
  CHECK(uffizi_result_token_ids(caption, &tokens) != NULL);
  CHECK(tokens == 5 && uffizi_result_truncated(caption) == 1);
  CHECK(uffizi_result_shape(caption) == UFFIZI_ANSWER_TEXT);
  CHECK(strchr(uffizi_result_answer_text(caption), '<') == NULL);
  CheckRegions(uffizi_results_get(results, 6));
  CHECK(strcmp(uffizi_result_prompt(uffizi_results_get(results, 7)), questions[7].text) == 0);

  uffizi_image* drawn = NULL;
  CHECK_OK(uffizi_image_draw(image, boxes, &drawn));
  CHECK(uffizi_image_width(drawn) == 61 && uffizi_image_height(drawn) == 43);
  CHECK(memcmp(uffizi_image_pixels(drawn), uffizi_image_pixels(image), 61 * 43 * 3) != 0);
  uffizi_image_free(drawn);

  /* Asked alone, or while being watched, the answer is the same; who stops it gets what there is.
   */
  uffizi_results* alone = NULL;
  CHECK_OK(uffizi_session_run(session, questions, 1, NULL, NULL, &alone));
  CHECK(strcmp(uffizi_result_text(uffizi_results_get(alone, 0)), uffizi_result_text(boxes)) == 0);
  uffizi_results_free(alone);
  int calls = 0;
  const uffizi_question watched[] = {questions[1], questions[0]};
  CHECK_OK(uffizi_session_run(session, watched, 2, CountCalls, &calls, &alone));
  CHECK(calls == 3);
  CHECK(uffizi_result_token_ids(uffizi_results_get(alone, 1), &tokens) != NULL && tokens == 3);
  uffizi_results_free(alone);

  uffizi_results_free(results);
  uffizi_options_free(short_answer);
  uffizi_options_free(wrong);
  uffizi_options_free(narrow);
}

/* Token rules: what is suppressed does not come, and any token can end an answer. */
static void TestTokenOptions(uffizi_session* session, const uffizi_encoded* picture) {
  const uffizi_question plain = Ask(picture, "<CAPTION>", NULL);
  uffizi_results* results = NULL;
  size_t count = 0;
  CHECK_OK(uffizi_session_run(session, &plain, 1, NULL, NULL, &results));
  const int* ids = uffizi_result_token_ids(uffizi_results_get(results, 0), &count);
  CHECK(count > 3);
  const int second = ids[1], third = ids[2];
  uffizi_results_free(results);

  char value[64];
  snprintf(value, sizeof value, "%d,2", third);
  uffizi_options* ending = Options("eos_token_ids", value);
  CHECK_OK(uffizi_options_set(ending, "num_beams", "1"));
  snprintf(value, sizeof value, "%d", second);
  uffizi_options* suppressing = Options("suppress_tokens", value);
  uffizi_options* no_end = Options("eos_token_ids", "");
  const uffizi_question questions[] = {Ask(picture, "<CAPTION>", suppressing),
                                       Ask(picture, "<CAPTION>", ending),
                                       Ask(picture, "<CAPTION>", no_end)};
  CHECK_OK(uffizi_session_run(session, questions, 3, NULL, NULL, &results));
  ids = uffizi_result_token_ids(uffizi_results_get(results, 0), &count);
  for (size_t i = 0; i < count; ++i) CHECK(ids[i] != second);
  ids = uffizi_result_token_ids(uffizi_results_get(results, 1), &count);
  CHECK(count > 0 && (ids[count - 1] == third || ids[count - 1] == 2));
  CHECK(uffizi_result_status(uffizi_results_get(results, 2)) == UFFIZI_INVALID_ARGUMENT);
  uffizi_results_free(results);
  uffizi_options_free(ending);
  uffizi_options_free(suppressing);
  uffizi_options_free(no_end);
}

static uffizi_results* AskOne(uffizi_session* session, uffizi_question question) {
  uffizi_results* results = NULL;
  CHECK_OK(uffizi_session_run(session, &question, 1, NULL, NULL, &results));
  return results;
}

/* Which regions are kept, and how the answer to a prompt in words is read. */
static void TestRegionOptions(uffizi_session* session, const uffizi_encoded* picture) {
  uffizi_results* all = AskOne(session, Ask(picture, "<OD>", NULL));
  const uffizi_result* boxes = uffizi_results_get(all, 0);
  const size_t count = uffizi_result_region_count(boxes);
  CHECK(count > 0);
  uffizi_region region;
  CHECK_OK(uffizi_result_region(boxes, 0, &region));

  char lines[256];
  snprintf(lines, sizeof lines, "no such thing\n%s", region.label);
  uffizi_options* options = Options("labels", lines);
  uffizi_results* some = AskOne(session, Ask(picture, "<OD>", options));
  size_t same = 0;
  for (size_t i = 0; i < count; ++i) {
    uffizi_region other;
    CHECK_OK(uffizi_result_region(boxes, i, &other));
    same += strcmp(other.label, region.label) == 0;
  }
  CHECK(uffizi_result_region_count(uffizi_results_get(some, 0)) == same);
  uffizi_results_free(some);
  CHECK_OK(uffizi_options_set(options, "labels", "no such thing"));
  some = AskOne(session, Ask(picture, "<OD>", options));
  CHECK(uffizi_result_region_count(uffizi_results_get(some, 0)) == 0);
  uffizi_results_free(some);
  uffizi_options_free(options);
  options = Options("min_score", "1");
  some = AskOne(session, Ask(picture, "<OD>", options));
  CHECK(uffizi_result_region_count(uffizi_results_get(some, 0)) == 0);
  uffizi_results_free(some);
  uffizi_options_free(options);

  const char* words = "Locate the objects with category name in the image.";
  options = Options("as", "od");
  some = AskOne(session, Ask(picture, words, options));
  CHECK(strcmp(uffizi_result_task(uffizi_results_get(some, 0)), "") == 0);
  CHECK(strcmp(uffizi_result_json(uffizi_results_get(some, 0)), uffizi_result_json(boxes)) == 0);
  uffizi_results_free(some);
  some = AskOne(session, Ask(picture, "<CAPTION>", options));
  CHECK(uffizi_result_shape(uffizi_results_get(some, 0)) == UFFIZI_ANSWER_TEXT);
  uffizi_results_free(some);
  CHECK_OK(uffizi_options_set(options, "as", "nothing"));
  some = AskOne(session, Ask(picture, words, options));
  CHECK(uffizi_result_status(uffizi_results_get(some, 0)) == UFFIZI_INVALID_ARGUMENT);
  uffizi_results_free(some);
  uffizi_options_free(options);
  uffizi_results_free(all);
}

static void TestModel(const char* model, const char* data) {
  uffizi_engine *engine = NULL, *other_engine = NULL;
  uffizi_session *session = NULL, *other = NULL;
  uffizi_image* image = NULL;
  uffizi_encoded* picture = NULL;
  CHECK_OK(uffizi_engine_load(model, NULL, &engine));
  CHECK_OK(uffizi_engine_load(model, NULL, &other_engine));
  CHECK_OK(uffizi_session_new(engine, &session));
  CHECK_OK(uffizi_session_new(other_engine, &other));
  uffizi_engine_free(engine); /* the session keeps it */
  uffizi_engine_free(other_engine);
  CHECK_OK(uffizi_image_read(Join(data, "image/baseline.jpg"), NULL, &image));
  CHECK_OK(uffizi_session_encode(session, image, &picture));

  const uffizi_question question = Ask(picture, "<OD>", NULL);
  uffizi_results* results = NULL;
  CHECK_OK(uffizi_session_run(other, &question, 1, NULL, NULL, &results));
  CHECK(uffizi_result_status(uffizi_results_get(results, 0)) == UFFIZI_INVALID_ARGUMENT);
  uffizi_results_free(results);
  uffizi_session_free(other);
  CHECK_OK(uffizi_session_run(session, NULL, 0, NULL, NULL, &results));
  CHECK(uffizi_results_count(results) == 0);
  uffizi_results_free(results);
  CHECK_STATUS(uffizi_session_run(session, NULL, 1, NULL, NULL, &results), UFFIZI_INVALID_ARGUMENT,
               "questions");

  TestAnswers(session, picture, image);
  TestTokenOptions(session, picture);
  TestRegionOptions(session, picture);
  uffizi_session_free(session);
  uffizi_encoded_free(picture);
  uffizi_image_free(image);
}

static void TestNull(void) {
  uffizi_options_free(NULL);
  uffizi_image_free(NULL);
  uffizi_bytes_free(NULL);
  uffizi_engine_free(NULL);
  uffizi_session_free(NULL);
  uffizi_encoded_free(NULL);
  uffizi_results_free(NULL);
  CHECK(uffizi_image_width(NULL) == 0 && uffizi_image_pixels(NULL) == NULL);
  CHECK(uffizi_bytes_size(NULL) == 0 && uffizi_bytes_data(NULL) == NULL);
  CHECK(uffizi_engine_info(NULL) == NULL);
  CHECK(uffizi_results_count(NULL) == 0 && uffizi_results_get(NULL, 0) == NULL);
  CHECK(uffizi_result_status(NULL) == UFFIZI_INVALID_ARGUMENT);
  CHECK(uffizi_result_text(NULL) == NULL && uffizi_result_region_count(NULL) == 0);
  CHECK_STATUS(uffizi_options_set(NULL, "a", "b"), UFFIZI_INVALID_ARGUMENT, "options");
  CHECK_STATUS(uffizi_session_new(NULL, &(uffizi_session*){NULL}), UFFIZI_INVALID_ARGUMENT,
               "engine");
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: capi_test MODEL TEST_DATA\n");
    return 2;
  }
  TestStatusNames();
  TestNull();
  TestPictures(argv[2]);
  TestPixels();
  TestLoading(argv[1], argv[2]);
  TestModel(argv[1], argv[2]);
  if (failures > 0) fprintf(stderr, "%d checks failed\n", failures);
  return failures == 0 ? 0 : 1;
}
