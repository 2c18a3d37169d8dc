/*
 * The C interface of Uffizi, for bindings to other languages. A thin layer over engine.h and
 * image.h.
 *
 *   uffizi_engine* engine = NULL;
 *   uffizi_session* session = NULL;
 *   uffizi_image* image = NULL;
 *   uffizi_encoded* picture = NULL;
 *   uffizi_results* results = NULL;
 *   if (uffizi_engine_load("models/uffizi-tiny", NULL, &engine) == UFFIZI_OK &&
 *       uffizi_session_new(engine, &session) == UFFIZI_OK &&
 *       uffizi_image_read("photo.jpg", NULL, &image) == UFFIZI_OK &&
 *       uffizi_session_encode(session, image, &picture) == UFFIZI_OK) {
 *     const uffizi_question question = {.picture = picture, .text = "<OD>", .text_size = 4};
 *     if (uffizi_session_run(session, &question, 1, NULL, NULL, &results) == UFFIZI_OK) {
 *       puts(uffizi_result_json(uffizi_results_get(results, 0)));
 *     }
 *   }
 *   if (results == NULL) fprintf(stderr, "%s\n", uffizi_last_error());
 *   uffizi_results_free(results);
 *   uffizi_encoded_free(picture);
 *   uffizi_image_free(image);
 *   uffizi_session_free(session);
 *   uffizi_engine_free(engine);
 *
 * Conventions
 * - A function that can fail returns a uffizi_status. If that is not UFFIZI_OK, nothing was written
 *   to its outputs, and uffizi_last_error() describes in one line what went wrong.
 * - Handles are opaque. The caller frees a handle that it received in an `out` argument with the
 *   function named after its type; freeing NULL does nothing. Handles keep alive what they need, so
 *   they may be freed in any order.
 * - Text is UTF-8. Pointers to text, numbers or pixels obtained from a handle stay valid until
 *   that handle is freed.
 * - Sizes are in pixels, times in seconds.
 * - Nothing aborts, exits, prints, or throws. NULL for an argument that must not be NULL gives
 *   UFFIZI_INVALID_ARGUMENT. An accessor given NULL or an index out of range returns 0 or NULL.
 * - Engines, images, encoded pictures, options and results may be read by any number of threads at
 *   once. A session may be used by one thread at a time; make one for each thread.
 */
#ifndef UFFIZI_UFFIZI_H_
#define UFFIZI_UFFIZI_H_

#include <stddef.h>
#include <stdint.h>

#include "uffizi/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Values never change their meaning; new ones may be added at the end. */
typedef enum uffizi_status {
  UFFIZI_OK = 0,
  UFFIZI_INVALID_ARGUMENT = 1, /* an invalid option or value */
  UFFIZI_NOT_FOUND = 2,        /* a file, folder or name that does not exist */
  UFFIZI_IO = 3,               /* reading or writing failed */
  UFFIZI_INVALID_MODEL = 4,    /* a damaged model folder, or another kind of model */
  UFFIZI_INVALID_IMAGE = 5,    /* a picture that cannot be decoded */
  UFFIZI_IMAGE_TOO_LARGE = 6,  /* a picture above the pixel or byte limit */
  UFFIZI_INVALID_PROMPT = 7,   /* a prompt that does not fit the task */
  UFFIZI_PROMPT_TOO_LONG = 8,  /* a prompt longer than the model allows */
  UFFIZI_UNSUPPORTED = 9,      /* valid, but not supported by this build */
  UFFIZI_CANCELLED = 10,       /* cancelled by the caller */
  UFFIZI_INTERNAL = 11,        /* a bug in Uffizi */
  UFFIZI_OUT_OF_MEMORY = 12
} uffizi_status;

typedef struct uffizi_options uffizi_options; /* named values, see below */
typedef struct uffizi_image uffizi_image;     /* a decoded picture, 8-bit RGB */
typedef struct uffizi_bytes uffizi_bytes;     /* a piece of memory, such as a PNG file */
typedef struct uffizi_engine uffizi_engine;   /* a loaded model, constant */
typedef struct uffizi_session uffizi_session; /* one caller's buffers and threads */
typedef struct uffizi_encoded uffizi_encoded; /* an encoded picture */
typedef struct uffizi_results uffizi_results; /* the results of one uffizi_session_run */
typedef struct uffizi_result uffizi_result;   /* one of them; lives as long as they do */

/* ---- General ---------------------------------------------------------------------------- */

/* "0.1.0" */
UFFIZI_API const char* uffizi_version(void);

/* "ok", "invalid_image", ...: the names used in result records. NULL for an unknown value. */
UFFIZI_API const char* uffizi_status_name(uffizi_status status);

/* The message of the last call that failed in this thread; "" if none has. Valid until the next
 * failing call in this thread. */
UFFIZI_API const char* uffizi_last_error(void);

/* ---- Options ---------------------------------------------------------------------------- */

/* NULL for options means the defaults. A name that a function does not know, or a value that it
 * cannot parse, gives UFFIZI_INVALID_ARGUMENT there. */
UFFIZI_API uffizi_status uffizi_options_new(uffizi_options** out);
/* Sets or replaces an option. Boolean values are "true" and "false", lists are "1,2,3". */
UFFIZI_API uffizi_status uffizi_options_set(uffizi_options* options, const char* name,
                                            const char* value);
UFFIZI_API void uffizi_options_free(uffizi_options* options);

/* ---- Pictures --------------------------------------------------------------------------- */

/* Decodes a picture file in any of the formats listed in image.h. `name` (may be NULL) is used in
 * messages. Options:
 *   exif_orientation  "true" (default): rotate the picture according to its EXIF data
 *   alpha             "white" (default): composite over white; "drop": ignore alpha
 *   truncated         "refuse" (default) or "fill": what to do with a truncated JPEG or PNG
 *   page              in a file of several pages or frames, from 1
 *   pdf_dpi           resolution of PDF pages in dots per inch, 200
 *   max_pixels        refuse pictures with more pixels
 *   max_file_bytes    refuse larger files */
UFFIZI_API uffizi_status uffizi_image_decode(const void* bytes, size_t size, const char* name,
                                             const uffizi_options* options, uffizi_image** out);
UFFIZI_API uffizi_status uffizi_image_read(const char* path, const uffizi_options* options,
                                           uffizi_image** out);

typedef enum uffizi_pixel_format {
  UFFIZI_RGB = 0,
  UFFIZI_BGR = 1, /* the order in OpenCV and Spark's image source */
  UFFIZI_GRAY = 2,
  UFFIZI_RGBA = 3, /* alpha is not premultiplied; composited over white */
  UFFIZI_BGRA = 4
} uffizi_pixel_format;

/* Copies pixels of 8 bits per channel. Rows are `stride` bytes apart; 0 means that they are packed.
 * `pixels` has `size` bytes, which is checked against the other arguments. `format`:
 * uffizi_pixel_format. */
UFFIZI_API uffizi_status uffizi_image_from_pixels(const void* pixels, size_t size, int width,
                                                  int height, size_t stride, int format,
                                                  uffizi_image** out);
UFFIZI_API int uffizi_image_width(const uffizi_image* image);
UFFIZI_API int uffizi_image_height(const uffizi_image* image);
/* [height, width, 3] uint8, RGB, rows packed */
UFFIZI_API const uint8_t* uffizi_image_pixels(const uffizi_image* image);
/* `format` is "png" or "jpeg"; `quality` (1..100) is for JPEG. */
UFFIZI_API uffizi_status uffizi_image_encode(const uffizi_image* image, const char* format,
                                             int quality, uffizi_bytes** out);
/* A copy of the picture with the answer's boxes, polygons and labels drawn on it. A failed
 * result gives its own status. */
UFFIZI_API uffizi_status uffizi_image_draw(const uffizi_image* image, const uffizi_result* result,
                                           uffizi_image** out);
/* Draws on a copy of at most `max_pixels` pixels: a larger picture is scaled down first. The strip
 * below a text answer is not included in this limit. */
UFFIZI_API uffizi_status uffizi_image_draw_within(const uffizi_image* image,
                                                  const uffizi_result* result, size_t max_pixels,
                                                  uffizi_image** out);
UFFIZI_API void uffizi_image_free(uffizi_image* image);

UFFIZI_API const void* uffizi_bytes_data(const uffizi_bytes* bytes);
UFFIZI_API size_t uffizi_bytes_size(const uffizi_bytes* bytes);
UFFIZI_API void uffizi_bytes_free(uffizi_bytes* bytes);

/* ---- Model ------------------------------------------------------------------------------ */

/* Returns the path of a model's Hugging Face folder. `source` is that folder itself; an artifact of
 * Spark NLP or OpenVINO (zip or folder), which is imported into the cache first; or a name such as
 * "microsoft/Florence-2-large", which is downloaded into the cache if necessary (models.h). The
 * path is not zero-terminated. uffizi_engine_load does this itself; call it only to read the
 * folder's files or to send them elsewhere. */
UFFIZI_API uffizi_status uffizi_model_resolve(const char* source, uffizi_bytes** folder);

/* Loads a model, located as by uffizi_model_resolve. Options:
 *   compute  "auto" (default), "f32" or "int4"; see engine.h
 *   threads  per session; 0 (default): all that this process may use
 *   lora     LoRA adapters to merge, one a line: a folder or a name, optionally with "=WEIGHT",
 *            which multiplies its changes; see engine.h
 *   engine   "native" (default), or "openvino" if this build has it, for artifacts
 *   device   for OpenVINO: "CPU" (default), "GPU", "NPU" */
UFFIZI_API uffizi_status uffizi_engine_load(const char* folder, const uffizi_options* options,
                                            uffizi_engine** out);
/* The fields of EngineInfo in engine.h, as one JSON object. */
UFFIZI_API const char* uffizi_engine_info(const uffizi_engine* engine);
UFFIZI_API void uffizi_engine_free(uffizi_engine* engine);

UFFIZI_API uffizi_status uffizi_session_new(const uffizi_engine* engine, uffizi_session** out);
UFFIZI_API void uffizi_session_free(uffizi_session* session);

/* Encodes a picture of any size. Any number of questions can be asked about it afterwards, in any
 * session of the same engine. */
UFFIZI_API uffizi_status uffizi_session_encode(uffizi_session* session, const uffizi_image* image,
                                               uffizi_encoded** out);
/* Also encodes overlapping tiles of the picture, about which objects and words are asked: "auto",
 * "3x2" (columns and rows), "1000" (the side in pixels) or "" for none; see TileOptions in
 * engine.h. */
UFFIZI_API uffizi_status uffizi_session_encode_tiles(uffizi_session* session,
                                                     const uffizi_image* image, const char* tiles,
                                                     uffizi_encoded** out);
UFFIZI_API void uffizi_encoded_free(uffizi_encoded* encoded);

/* ---- Questions and answers -------------------------------------------------------------- */

typedef struct uffizi_question {
  const uffizi_encoded* picture;
  /* "<OD>", "<CAPTION_TO_PHRASE_GROUNDING>a cat", or a prompt in words; see task.h. */
  const char* text;
  size_t text_size; /* bytes */
  /* How to search for the answer; options that are not set come from the model's own files:
   *   num_beams, early_stopping ("on", "off", "never"), length_penalty, no_repeat_ngram_size,
   *   repetition_penalty, min_length, max_length, do_sample, temperature, top_k, top_p, seed,
   *   forced_bos, forced_eos, suppress_tokens, eos_token_ids: see engine.h;
   *   max_input_length: refuse longer prompts; in tokens, including <s> and </s>;
   *   min_score: drop regions with a lower score, 0..1 (default: 0; 0.5 for objects in tiles);
   *   labels: keep only regions with one of these, one a line, ignoring case;
   *   as: "od", ...: the task as whose answer to parse that to a prompt in words. */
  const uffizi_options* options;
} uffizi_question;

/* Reports progress: `text` (special tokens included) is the answer so far; with beam search it may
 * change again. Returning 0 stops this answer, which is then the answer so far. */
typedef int (*uffizi_progress)(void* user, size_t question, const char* text);

/* Answers the questions together; each answer is the same as if it were asked alone. An invalid
 * question does not affect the others: its result has the status and message. `progress` may be
 * NULL. */
UFFIZI_API uffizi_status uffizi_session_run(uffizi_session* session,
                                            const uffizi_question* questions, size_t count,
                                            uffizi_progress progress, void* user,
                                            uffizi_results** out);
UFFIZI_API size_t uffizi_results_count(const uffizi_results* results);
/* In the questions' order. */
UFFIZI_API const uffizi_result* uffizi_results_get(const uffizi_results* results, size_t index);
UFFIZI_API void uffizi_results_free(uffizi_results* results);

/* UFFIZI_OK, or why this question has no answer; the functions below then return 0 or NULL. */
UFFIZI_API uffizi_status uffizi_result_status(const uffizi_result* result);
UFFIZI_API const char* uffizi_result_error(const uffizi_result* result);

UFFIZI_API const char* uffizi_result_task(const uffizi_result* result);   /* "<OD>"; "" if none */
UFFIZI_API const char* uffizi_result_prompt(const uffizi_result* result); /* in words */
UFFIZI_API const char* uffizi_result_text(const uffizi_result* result);   /* with special tokens */
UFFIZI_API const int* uffizi_result_token_ids(const uffizi_result* result, size_t* count);
UFFIZI_API int uffizi_result_truncated(const uffizi_result* result); /* reached the length limit */
/* The parsed answer as JSON, in Hugging Face's schema (task.h, AnswerToJson). */
UFFIZI_API const char* uffizi_result_json(const uffizi_result* result);

typedef struct uffizi_timings { /* seconds, of one result; see types.h */
  double preprocess, vision_encoder, text_encoder, decoder, parse, total;
} uffizi_timings;
UFFIZI_API uffizi_timings uffizi_result_timings(const uffizi_result* result);

typedef enum uffizi_answer_shape {
  UFFIZI_ANSWER_TEXT = 0,
  UFFIZI_ANSWER_BOXES = 1,
  UFFIZI_ANSWER_QUADS = 2,
  UFFIZI_ANSWER_POLYGONS = 3,
  UFFIZI_ANSWER_OPEN_VOCABULARY = 4
} uffizi_answer_shape;
UFFIZI_API uffizi_answer_shape uffizi_result_shape(const uffizi_result* result);
/* A text answer without special tokens; "" for other shapes. */
UFFIZI_API const char* uffizi_result_answer_text(const uffizi_result* result);

typedef struct uffizi_region {
  const char* label;    /* "" in region proposals */
  float score;          /* how likely the region is right, 0..1; NaN if that is not known */
  const float* box;     /* x1, y1, x2, y2 in pixels; NULL if it has none */
  const float* quad;    /* 8 numbers, clockwise from the text's top left; NULL if it has none */
  size_t polygon_count; /* see uffizi_result_polygon */
} uffizi_region;
UFFIZI_API size_t uffizi_result_region_count(const uffizi_result* result);
UFFIZI_API uffizi_status uffizi_result_region(const uffizi_result* result, size_t index,
                                              uffizi_region* out);
/* x, y, x, y, ... in pixels; `count` receives how many numbers there are. */
UFFIZI_API const float* uffizi_result_polygon(const uffizi_result* result, size_t region,
                                              size_t polygon, size_t* count);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* UFFIZI_UFFIZI_H_ */
