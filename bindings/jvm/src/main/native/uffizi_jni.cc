// The native methods of uffizi.Native, over the C interface and nothing else. Java strings come and
// go as UTF-8 bytes: JNI's own "modified UTF-8" would spoil what lies beyond the basic plane.
#include <jni.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "uffizi/uffizi.h"

namespace {

template <typename Handle>
Handle* FromJava(jlong handle) {
  return reinterpret_cast<Handle*>(handle);  // NOLINT: the only way to keep a pointer in Java
}

template <typename Handle>
jlong ToJava(Handle* handle) {
  return reinterpret_cast<jlong>(handle);
}

jbyteArray NewBytes(JNIEnv* env, const void* data, size_t size) {
  const auto length = static_cast<jsize>(size);
  jbyteArray array = env->NewByteArray(length);
  if (array != nullptr) {
    env->SetByteArrayRegion(array, 0, length, static_cast<const jbyte*>(data));
  }
  return array;
}

// null stays null.
jbyteArray NewBytes(JNIEnv* env, const char* text) {
  return text == nullptr ? nullptr : NewBytes(env, text, std::strlen(text));
}

std::string ToString(JNIEnv* env, jbyteArray array) {
  std::string text;
  if (array == nullptr) return text;
  const jsize size = env->GetArrayLength(array);
  text.resize(static_cast<size_t>(size));
  env->GetByteArrayRegion(array, 0, size, reinterpret_cast<jbyte*>(text.data()));
  return text;
}

std::vector<std::string> ToStrings(JNIEnv* env, jobjectArray array) {
  std::vector<std::string> strings;
  for (jsize i = 0; i < env->GetArrayLength(array); ++i) {
    const auto element = static_cast<jbyteArray>(env->GetObjectArrayElement(array, i));
    strings.push_back(ToString(env, element));
    env->DeleteLocalRef(element);
  }
  return strings;
}

void Throw(JNIEnv* env, uffizi_status status, const char* message) {
  jclass type = env->FindClass("uffizi/UffiziException");
  if (type == nullptr) return;
  jmethodID make = env->GetMethodID(type, "<init>", "([B[B)V");
  jobject exception =
      env->NewObject(type, make, NewBytes(env, uffizi_status_name(status)), NewBytes(env, message));
  if (exception != nullptr) env->Throw(static_cast<jthrowable>(exception));
}

// Whether a call went well; if not, a Java exception is under way.
bool Succeeded(JNIEnv* env, uffizi_status status) {
  if (status != UFFIZI_OK) Throw(env, status, uffizi_last_error());
  return status == UFFIZI_OK;
}

// Runs the body of a native method: C++ exceptions (memory) do not pass into Java.
template <typename Body>
auto Guard(JNIEnv* env, const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::exception& error) {
    Throw(env, UFFIZI_OUT_OF_MEMORY, error.what());
  }
  return decltype(body())();
}

// A handle that Java never sees.
template <typename Handle, void (*kFree)(Handle*)>
class Owned {
 public:
  Owned() = default;
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { kFree(handle_); }
  Handle** out() { return &handle_; }
  const Handle* get() const { return handle_; }

 private:
  Handle* handle_ = nullptr;
};
using OwnedBytes = Owned<uffizi_bytes, uffizi_bytes_free>;

class Options : public Owned<uffizi_options, uffizi_options_free> {
 public:
  // Throws into Java, and is then not ok().
  Options(JNIEnv* env, jobjectArray names_and_values) {
    const std::vector<std::string> texts = ToStrings(env, names_and_values);
    ok_ = Succeeded(env, uffizi_options_new(out()));
    for (size_t i = 0; ok_ && i + 1 < texts.size(); i += 2) {
      ok_ = Succeeded(env, uffizi_options_set(*out(), texts[i].c_str(), texts[i + 1].c_str()));
    }
  }
  bool ok() const { return ok_; }

 private:
  bool ok_ = false;
};

// A Java byte array's memory, read in place; nothing may call back into Java meanwhile.
class PinnedBytes {
 public:
  PinnedBytes(JNIEnv* env, jbyteArray array)
      : env_(env),
        array_(array),
        size_(static_cast<size_t>(env->GetArrayLength(array))),
        data_(env->GetPrimitiveArrayCritical(array, nullptr)) {}
  PinnedBytes(const PinnedBytes&) = delete;
  PinnedBytes& operator=(const PinnedBytes&) = delete;
  ~PinnedBytes() {
    if (data_ != nullptr) env_->ReleasePrimitiveArrayCritical(array_, data_, JNI_ABORT);
  }
  const void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  JNIEnv* env_;
  jbyteArray array_;
  size_t size_;
  void* data_;
};

jfloatArray NewFloats(JNIEnv* env, const float* data, size_t size) {
  if (data == nullptr) return nullptr;
  jfloatArray array = env->NewFloatArray(static_cast<jsize>(size));
  if (array != nullptr) env->SetFloatArrayRegion(array, 0, static_cast<jsize>(size), data);
  return array;
}

void SetElement(JNIEnv* env, jobjectArray array, size_t index, jobject element) {
  if (env->ExceptionCheck()) return;
  env->SetObjectArrayElement(array, static_cast<jsize>(index), element);
  env->DeleteLocalRef(element);
}

jobjectArray NewArray(JNIEnv* env, size_t size, const char* element_class) {
  return env->NewObjectArray(static_cast<jsize>(size), env->FindClass(element_class), nullptr);
}

// The arrays that uffizi.Answer keeps of its regions.
struct Regions {
  jobjectArray labels, boxes, quads, polygons;
  jfloatArray scores;
};

jobjectArray NewPolygons(JNIEnv* env, const uffizi_result* result, size_t region, size_t count) {
  jobjectArray polygons = NewArray(env, count, "[F");
  for (size_t p = 0; p < count && !env->ExceptionCheck(); ++p) {
    size_t numbers = 0;
    const float* points = uffizi_result_polygon(result, region, p, &numbers);
    SetElement(env, polygons, p, NewFloats(env, points, numbers));
  }
  return polygons;
}

Regions NewRegions(JNIEnv* env, const uffizi_result* result) {
  const size_t count = uffizi_result_region_count(result);
  Regions regions = {NewArray(env, count, "[B"), NewArray(env, count, "[F"),
                     NewArray(env, count, "[F"), NewArray(env, count, "[[F"), nullptr};
  std::vector<float> scores;
  for (size_t i = 0; i < count && !env->ExceptionCheck(); ++i) {
    uffizi_region region;
    if (!Succeeded(env, uffizi_result_region(result, i, &region))) break;
    scores.push_back(region.score);
    SetElement(env, regions.labels, i, NewBytes(env, region.label));
    SetElement(env, regions.boxes, i, NewFloats(env, region.box, 4));
    SetElement(env, regions.quads, i, NewFloats(env, region.quad, 8));
    SetElement(env, regions.polygons, i, NewPolygons(env, result, i, region.polygon_count));
  }
  if (!env->ExceptionCheck()) regions.scores = NewFloats(env, scores.data(), scores.size());
  if (scores.empty() && !env->ExceptionCheck()) regions.scores = env->NewFloatArray(0);
  return regions;
}

}  // namespace

#define UFFIZI_JNI(type, name) extern "C" JNIEXPORT type JNICALL Java_uffizi_Native_##name

UFFIZI_JNI(jbyteArray, resolveModel)(JNIEnv* env, jclass, jbyteArray source) {
  return Guard(env, [&]() -> jbyteArray {
    OwnedBytes folder;
    if (!Succeeded(env, uffizi_model_resolve(ToString(env, source).c_str(), folder.out()))) {
      return nullptr;
    }
    return NewBytes(env, uffizi_bytes_data(folder.get()), uffizi_bytes_size(folder.get()));
  });
}

UFFIZI_JNI(jlong, loadEngine)
(JNIEnv* env, jclass, jbyteArray folder, jobjectArray names_and_values) {
  return Guard(env, [&]() -> jlong {
    const Options options(env, names_and_values);
    uffizi_engine* engine = nullptr;
    if (options.ok()) {
      Succeeded(env, uffizi_engine_load(ToString(env, folder).c_str(), options.get(), &engine));
    }
    return ToJava(engine);
  });
}

UFFIZI_JNI(jbyteArray, engineInfo)(JNIEnv* env, jclass, jlong engine) {
  return NewBytes(env, uffizi_engine_info(FromJava<uffizi_engine>(engine)));
}

UFFIZI_JNI(void, freeEngine)(JNIEnv*, jclass, jlong engine) {
  uffizi_engine_free(FromJava<uffizi_engine>(engine));
}

UFFIZI_JNI(jlong, newSession)(JNIEnv* env, jclass, jlong engine) {
  uffizi_session* session = nullptr;
  Succeeded(env, uffizi_session_new(FromJava<uffizi_engine>(engine), &session));
  return ToJava(session);
}

UFFIZI_JNI(void, freeSession)(JNIEnv*, jclass, jlong session) {
  uffizi_session_free(FromJava<uffizi_session>(session));
}

UFFIZI_JNI(jlong, decodeImage)
(JNIEnv* env, jclass, jbyteArray bytes, jbyteArray name, jobjectArray names_and_values) {
  return Guard(env, [&]() -> jlong {
    const Options options(env, names_and_values);
    if (!options.ok()) return 0;
    // Decoding takes long: work on a copy rather than hold up the garbage collector.
    const std::string file = ToString(env, bytes);
    uffizi_image* image = nullptr;
    Succeeded(env, uffizi_image_decode(file.data(), file.size(), ToString(env, name).c_str(),
                                       options.get(), &image));
    return ToJava(image);
  });
}

UFFIZI_JNI(jlong, imageFromPixels)
(JNIEnv* env, jclass, jbyteArray pixels, jint width, jint height, jint format) {
  uffizi_image* image = nullptr;
  uffizi_status status;
  {
    const PinnedBytes pinned(env, pixels);
    status = uffizi_image_from_pixels(pinned.data(), pinned.size(), width, height, 0,
                                      static_cast<uffizi_pixel_format>(format), &image);
  }
  Succeeded(env, status);
  return ToJava(image);
}

UFFIZI_JNI(jint, imageWidth)(JNIEnv*, jclass, jlong image) {
  return uffizi_image_width(FromJava<uffizi_image>(image));
}

UFFIZI_JNI(jint, imageHeight)(JNIEnv*, jclass, jlong image) {
  return uffizi_image_height(FromJava<uffizi_image>(image));
}

UFFIZI_JNI(jbyteArray, imageBgr)(JNIEnv* env, jclass, jlong handle) {
  return Guard(env, [&]() -> jbyteArray {
    const auto* image = FromJava<uffizi_image>(handle);
    const auto pixels = static_cast<size_t>(uffizi_image_width(image)) *
                        static_cast<size_t>(uffizi_image_height(image));
    const uint8_t* rgb = uffizi_image_pixels(image);
    std::vector<uint8_t> bgr(pixels * 3);
    for (size_t i = 0; i < bgr.size(); i += 3) {
      bgr[i] = rgb[i + 2];
      bgr[i + 1] = rgb[i + 1];
      bgr[i + 2] = rgb[i];
    }
    return NewBytes(env, bgr.data(), bgr.size());
  });
}

UFFIZI_JNI(jbyteArray, encodeImage)
(JNIEnv* env, jclass, jlong image, jbyteArray format, jint quality) {
  return Guard(env, [&]() -> jbyteArray {
    OwnedBytes bytes;
    if (!Succeeded(env, uffizi_image_encode(FromJava<uffizi_image>(image),
                                            ToString(env, format).c_str(), quality, bytes.out()))) {
      return nullptr;
    }
    return NewBytes(env, uffizi_bytes_data(bytes.get()), uffizi_bytes_size(bytes.get()));
  });
}

UFFIZI_JNI(jlong, drawImage)
(JNIEnv* env, jclass, jlong image, jlong results, jint index, jlong max_pixels) {
  uffizi_image* drawn = nullptr;
  const uffizi_result* result =
      uffizi_results_get(FromJava<uffizi_results>(results), static_cast<size_t>(index));
  Succeeded(env, uffizi_image_draw_within(FromJava<uffizi_image>(image), result,
                                          static_cast<size_t>(max_pixels), &drawn));
  return ToJava(drawn);
}

UFFIZI_JNI(void, freeImage)(JNIEnv*, jclass, jlong image) {
  uffizi_image_free(FromJava<uffizi_image>(image));
}

UFFIZI_JNI(jlong, encode)
(JNIEnv* env, jclass, jlong session, jlong image, jbyteArray tiles) {
  return Guard(env, [&]() -> jlong {
    uffizi_encoded* encoded = nullptr;
    Succeeded(env, uffizi_session_encode_tiles(FromJava<uffizi_session>(session),
                                               FromJava<uffizi_image>(image),
                                               ToString(env, tiles).c_str(), &encoded));
    return ToJava(encoded);
  });
}

UFFIZI_JNI(void, freeEncoded)(JNIEnv*, jclass, jlong encoded) {
  uffizi_encoded_free(FromJava<uffizi_encoded>(encoded));
}

UFFIZI_JNI(jlong, run)
(JNIEnv* env, jclass, jlong session, jlongArray pictures, jobjectArray texts,
 jobjectArray names_and_values) {
  return Guard(env, [&]() -> jlong {
    const Options options(env, names_and_values);
    if (!options.ok()) return 0;
    const std::vector<std::string> prompts = ToStrings(env, texts);
    std::vector<jlong> handles(prompts.size());
    env->GetLongArrayRegion(pictures, 0, static_cast<jsize>(handles.size()), handles.data());
    std::vector<uffizi_question> questions;
    for (size_t i = 0; i < prompts.size(); ++i) {
      questions.push_back({FromJava<uffizi_encoded>(handles[i]), prompts[i].data(),
                           prompts[i].size(), options.get()});
    }
    uffizi_results* results = nullptr;
    Succeeded(env, uffizi_session_run(FromJava<uffizi_session>(session), questions.data(),
                                      questions.size(), nullptr, nullptr, &results));
    return ToJava(results);
  });
}

UFFIZI_JNI(jobject, answer)(JNIEnv* env, jclass, jlong results, jint index, jobject owner) {
  return Guard(env, [&]() -> jobject {
    const uffizi_result* result =
        uffizi_results_get(FromJava<uffizi_results>(results), static_cast<size_t>(index));
    const uffizi_status status = uffizi_result_status(result);
    const char* const texts[] = {
        status == UFFIZI_OK ? nullptr : uffizi_status_name(status),
        uffizi_result_error(result),
        uffizi_result_task(result),
        uffizi_result_prompt(result),
        uffizi_result_text(result),
        uffizi_result_answer_text(result),
        uffizi_result_json(result),
    };
    jobjectArray strings = NewArray(env, std::size(texts), "[B");
    for (size_t i = 0; i < std::size(texts) && !env->ExceptionCheck(); ++i) {
      SetElement(env, strings, i, NewBytes(env, texts[i]));
    }
    if (env->ExceptionCheck()) return nullptr;
    const Regions regions = NewRegions(env, result);
    if (env->ExceptionCheck()) return nullptr;
    jclass type = env->FindClass("uffizi/Answer");
    if (type == nullptr) return nullptr;
    jmethodID make = env->GetMethodID(type, "<init>", "(Luffizi/Results;I[[BIZ[[B[F[[F[[F[[[F)V");
    if (make == nullptr) return nullptr;
    return env->NewObject(
        type, make, owner, index, strings, static_cast<jint>(uffizi_result_shape(result)),
        static_cast<jboolean>(uffizi_result_truncated(result) != 0), regions.labels, regions.scores,
        regions.boxes, regions.quads, regions.polygons);
  });
}

UFFIZI_JNI(void, freeResults)(JNIEnv*, jclass, jlong results) {
  uffizi_results_free(FromJava<uffizi_results>(results));
}
