package uffizi;

import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** One caller's buffers and threads, for one thread at a time. */
public final class Session extends NativeHandle {
  Session(long address) {
    super(address, Native::freeSession);
  }

  /** Encodes a picture of any size. */
  public EncodedPicture encode(Picture picture) {
    return encode(picture, "");
  }

  /**
   * Also encodes overlapping tiles of the picture, about which objects and words are asked.
   *
   * @param tiles "auto", "3x2" (columns and rows), "1000" (the side in pixels), or "" for none
   */
  public EncodedPicture encode(Picture picture, String tiles) {
    try {
      return new EncodedPicture(
          Native.encode(address(), picture.address(), Native.utf8(tiles)));
    } finally {
      Reference.reachabilityFence(this);
      Reference.reachabilityFence(picture);
    }
  }

  /**
   * Answers the questions together, in order. An invalid question does not affect the others: its
   * answer has the reason.
   *
   * @param options search options, with the names listed at uffizi_question in uffizi.h
   */
  public List<Answer> run(List<Question> questions, Map<String, String> options) {
    long[] pictures = new long[questions.size()];
    byte[][] texts = new byte[questions.size()][];
    for (int i = 0; i < pictures.length; i++) {
      pictures[i] = questions.get(i).picture().address();
      texts[i] = Native.utf8(questions.get(i).text());
    }
    try {
      Results results =
          new Results(Native.run(address(), pictures, texts, Native.options(options)));
      List<Answer> answers = new ArrayList<>(pictures.length);
      for (int i = 0; i < pictures.length; i++) {
        answers.add(Native.answer(results.address(), i, results));
      }
      return answers;
    } finally {
      Reference.reachabilityFence(this);
      Reference.reachabilityFence(questions);
    }
  }
}
