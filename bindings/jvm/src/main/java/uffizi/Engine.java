package uffizi;

import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.Map;

/** A loaded model: constant, shared by any number of threads. */
public final class Engine extends NativeHandle {
  private Engine(long address) {
    super(address, Native::freeEngine);
  }

  /**
   * The Hugging Face folder of a model, located as by uffizi_model_resolve in uffizi.h.
   */
  public static Path resolve(String source) {
    NativeLibrary.load();
    return Path.of(
        new String(
            Native.resolveModel(Native.utf8(source)), java.nio.charset.StandardCharsets.UTF_8));
  }

  /** Loads a model folder. The options are those of uffizi_engine_load in uffizi.h. */
  public static Engine load(Path folder, Map<String, String> options) {
    NativeLibrary.load();
    return new Engine(Native.loadEngine(Native.utf8(folder.toString()), Native.options(options)));
  }

  public static Engine load(Path folder) {
    return load(folder, Map.of());
  }

  /** The loaded model's properties, as one JSON object. */
  public String info() {
    try {
      return new String(Native.engineInfo(address()), java.nio.charset.StandardCharsets.UTF_8);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** A session for one thread at a time. It keeps the engine loaded. */
  public Session newSession() {
    try {
      return new Session(Native.newSession(address()));
    } finally {
      Reference.reachabilityFence(this);
    }
  }
}
