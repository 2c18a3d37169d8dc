package uffizi;

/**
 * One question about a picture.
 *
 * @param text a task token with its input ("&lt;OD&gt;", "&lt;CAPTION_TO_PHRASE_GROUNDING&gt;a cat")
 *     or a prompt in words
 */
public record Question(EncodedPicture picture, String text) {}
