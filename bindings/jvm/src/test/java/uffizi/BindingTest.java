package uffizi;

import static org.junit.jupiter.api.Assertions.*;

import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The Java classes over the C interface, without Spark. */
class BindingTest {
  private static final Path SOURCE = Path.of(System.getProperty("uffizi.source.dir"));
  private static final Path MODEL = SOURCE.resolve("models/uffizi-tiny");

  private static Picture picture() throws Exception {
    Path file = SOURCE.resolve("tests/data/image/baseline.jpg");
    return Picture.decode(Files.readAllBytes(file), file.toString());
  }

  @Test
  void answers() throws Exception {
    try (Engine engine = Engine.load(MODEL, Map.of("threads", "1"));
        Session session = engine.newSession();
        Picture picture = picture();
        EncodedPicture encoded = session.encode(picture)) {
      assertTrue(engine.info().contains("\"threads\": 1"), engine.info());
      List<Answer> answers =
          session.run(
              List.of(
                  new Question(encoded, "<OD>"),
                  new Question(encoded, "<REGION_TO_CATEGORY>nowhere"),
                  new Question(encoded, "<CAPTION>")),
              Map.of("num_beams", "1"));
      Answer boxes = answers.get(0);
      assertFalse(boxes.failed());
      assertEquals(Answer.Shape.BOXES, boxes.shape());
      assertEquals("<OD>", boxes.task());
      assertTrue(boxes.labels().length > 0);
      assertEquals(boxes.labels().length, boxes.scores().length);
      for (float[] box : boxes.boxes()) assertEquals(4, box.length);
      assertTrue(boxes.json().startsWith("{\"bboxes\": [["), boxes.json());
      try (Picture drawn = boxes.draw(picture)) {
        assertEquals(picture.width(), drawn.width());
        assertFalse(java.util.Arrays.equals(picture.bgr(), drawn.bgr()));
      }
      assertEquals("invalid_prompt", answers.get(1).errorCode());
      assertTrue(answers.get(1).error().contains("<loc_"), answers.get(1).error());
      assertEquals(Answer.Shape.TEXT, answers.get(2).shape());
      assertFalse(answers.get(2).answerText().isEmpty());
    }
  }

  @Test
  void errorsAreExceptionsWithTheMessage() {
    UffiziException error =
        assertThrows(UffiziException.class, () -> Engine.load(Path.of("/no/such/modèle 模型 🖼")));
    assertEquals("not_found", error.code());
    assertTrue(error.getMessage().contains("modèle 模型 🖼"), error.getMessage());
    error = assertThrows(UffiziException.class, () -> Engine.load(MODEL, Map.of("thread", "1")));
    assertEquals("invalid_argument", error.code());
    error =
        assertThrows(UffiziException.class, () -> Picture.decode(new byte[] {1, 2}, "bröken.jpg"));
    assertEquals("invalid_image", error.code());
    assertTrue(error.getMessage().contains("bröken.jpg"), error.getMessage());
    assertThrows(
        UffiziException.class,
        () -> Picture.fromPixels(new byte[5], 2, 1, Picture.Format.RGB));
  }

  @Test
  void textBeyondAsciiSurvives() throws Exception {
    String[] texts = {"été 模型 🖼 \u0000 end", "\ud83d\ude00", "ß"};
    try (Engine engine = Engine.load(MODEL);
        Session session = engine.newSession();
        Picture picture = picture();
        EncodedPicture encoded = session.encode(picture)) {
      for (String text : texts) {
        Answer answer = session.run(List.of(new Question(encoded, text)), Map.of()).get(0);
        // The C interface gives the prompt as a C string: it ends at a zero character.
        int zero = text.indexOf('\0');
        assertEquals(zero < 0 ? text : text.substring(0, zero), answer.prompt());
      }
    }
  }

  @Test
  void pixelsComeBackAsTheyWent() {
    byte[] bgr = {1, 2, 3, 4, 5, 6};
    try (Picture picture = Picture.fromPixels(bgr, 2, 1, Picture.Format.BGR);
        Picture again = Picture.decode(picture.png(), "again.png")) {
      assertArrayEquals(bgr, picture.bgr());
      assertArrayEquals(bgr, again.bgr());
    }
  }

  @Test
  void useAfterCloseIsAnException() throws Exception {
    Picture picture = picture();
    picture.close();
    picture.close();
    assertThrows(IllegalStateException.class, picture::width);
  }

  /** 300 MB of pictures that nobody closes: the Cleaner must keep up. */
  @Test
  void forgottenHandlesAreFreed() throws Exception {
    WeakReference<Picture> first = null;
    byte[] pixels = new byte[1000 * 1000];
    long before = residentBytes();
    for (int i = 0; i < 100; i++) {
      Picture picture = Picture.fromPixels(pixels, 1000, 1000, Picture.Format.GRAY);
      if (first == null) first = new WeakReference<>(picture);
      if (i % 10 == 9) {
        picture = null;
        System.gc();
        Thread.sleep(20);
      }
    }
    assertNull(first.get());
    assertTrue(residentBytes() - before < 150_000_000, "grew by " + (residentBytes() - before));
  }

  /** As executors see it, whose tasks are tried again: the reason is told each time. */
  @Test
  void aLibraryThatCannotLoadSaysWhyEachTime() throws Exception {
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Duffizi.native.path=/no/such/library.so",
            "-Duffizi.source.dir=" + SOURCE,
            BindingTest.class.getName());
    builder.environment().put("CLASSPATH", classPath);
    builder.redirectErrorStream(true);
    Process process = builder.start();
    String[] said = new String(process.getInputStream().readAllBytes()).trim().split("\n");
    assertEquals(3, said.length, String.join("; ", said));
    for (String line : said) {
      assertTrue(line.contains("/no/such/library.so") && line.contains("cannot be loaded"), line);
    }
  }

  public static void main(String[] arguments) {
    Runnable[] attempts = {
      () -> Engine.load(Path.of("any")),
      () -> Engine.load(Path.of("any")),
      () -> Picture.decode(new byte[1], "any"),
    };
    for (Runnable attempt : attempts) {
      try {
        attempt.run();
        System.out.println("loaded");
      } catch (UnsatisfiedLinkError error) {
        System.out.println(error.getMessage());
      }
    }
  }

  static long residentBytes() throws Exception {
    String[] fields = Files.readString(Path.of("/proc/self/statm")).split(" ");
    return Long.parseLong(fields[1]) * 4096;
  }
}
