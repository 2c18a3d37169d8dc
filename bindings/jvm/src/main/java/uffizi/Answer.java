package uffizi;

import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;

/** What one question gave: an answer, or the reason why there is none. */
public final class Answer {
  /** How an answer is shaped. The order is that of uffizi_answer_shape. */
  public enum Shape {
    TEXT,
    BOXES,
    QUADS,
    POLYGONS,
    OPEN_VOCABULARY
  }

  private final Results results;
  private final int index;
  private final String errorCode;
  private final String error;
  private final String task;
  private final String prompt;
  private final String text;
  private final String answerText;
  private final String json;
  private final Shape shape;
  private final boolean truncated;
  private final String[] labels;
  private final float[] scores;
  private final float[][] boxes;
  private final float[][] quads;
  private final float[][][] polygons;

  /** Called by native code. */
  Answer(
      Results results,
      int index,
      byte[][] texts, // error code, error, task, prompt, text, answer text, JSON; null where none
      int shape,
      boolean truncated,
      byte[][] labels,
      float[] scores,
      float[][] boxes,
      float[][] quads,
      float[][][] polygons) {
    this.results = results;
    this.index = index;
    errorCode = string(texts[0]);
    error = string(texts[1]);
    task = string(texts[2]);
    prompt = string(texts[3]);
    text = string(texts[4]);
    answerText = string(texts[5]);
    json = string(texts[6]);
    this.shape = Shape.values()[shape];
    this.truncated = truncated;
    this.labels = new String[labels.length];
    for (int i = 0; i < labels.length; i++) this.labels[i] = string(labels[i]);
    this.scores = scores;
    this.boxes = boxes;
    this.quads = quads;
    this.polygons = polygons;
  }

  private static String string(byte[] utf8) {
    return utf8 == null ? null : new String(utf8, StandardCharsets.UTF_8);
  }

  public boolean failed() {
    return errorCode != null;
  }

  /** "invalid_prompt", ...; null if there is an answer. The getters below then give null. */
  public String errorCode() {
    return errorCode;
  }

  public String error() {
    return error;
  }

  /** "&lt;OD&gt;"; "" for a prompt in words. */
  public String task() {
    return task;
  }

  public String prompt() {
    return prompt;
  }

  /** As the model wrote it, special tokens included. */
  public String text() {
    return text;
  }

  /** A text answer; "" for other shapes. */
  public String answerText() {
    return answerText;
  }

  /** The parsed answer in Hugging Face's schema. */
  public String json() {
    return json;
  }

  public Shape shape() {
    return shape;
  }

  /** Whether the answer hit the length limit. */
  public boolean truncated() {
    return truncated;
  }

  /** Of each region, as are the arrays that follow. */
  public String[] labels() {
    return labels;
  }

  /**
   * How likely each region is right, 0 to 1: the label, and a box whose IoU with the true one is at
   * least 0.5. NaN if that is not known.
   */
  public float[] scores() {
    return scores;
  }

  /** x1, y1, x2, y2 in pixels; null for a region without box. */
  public float[][] boxes() {
    return boxes;
  }

  /** 8 numbers, clockwise from the text's top left; null for a region without. */
  public float[][] quads() {
    return quads;
  }

  /** x, y, x, y, ... of each of the region's polygons. */
  public float[][][] polygons() {
    return polygons;
  }

  /** A copy of the picture with the answer on it. */
  public Picture draw(Picture picture) {
    return draw(picture, Long.MAX_VALUE);
  }

  /**
   * The same on a copy of at most that many pixels: a larger picture is made smaller first. The
   * strip below a text answer comes in addition.
   */
  public Picture draw(Picture picture, long maxPixels) {
    try {
      return new Picture(
          Native.drawImage(picture.address(), results.address(), index, maxPixels));
    } finally {
      Reference.reachabilityFence(picture);
      Reference.reachabilityFence(this);
    }
  }

  /** Frees the native answer, after which it cannot be drawn; the garbage collector does it else. */
  public void close() {
    results.close();
  }
}
