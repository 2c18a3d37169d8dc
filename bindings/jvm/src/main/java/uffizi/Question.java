package uffizi;

/** One question about a picture. A plain class: the Scala 2.12 compiler cannot read records. */
public final class Question {
  private final EncodedPicture picture;
  private final String text;

  /**
   * @param text a task token with its input ("&lt;OD&gt;", "&lt;CAPTION_TO_PHRASE_GROUNDING&gt;a
   *     cat") or a prompt in words
   */
  public Question(EncodedPicture picture, String text) {
    this.picture = picture;
    this.text = text;
  }

  public EncodedPicture picture() {
    return picture;
  }

  public String text() {
    return text;
  }
}
