import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import uffizi.Answer;
import uffizi.EncodedPicture;
import uffizi.Engine;
import uffizi.Picture;
import uffizi.Question;
import uffizi.Session;

/** java -cp uffizi-spark....jar:. Try MODEL PICTURE: prints the raw answer to &lt;OD&gt;. */
public class Try {
  public static void main(String[] arguments) throws Exception {
    byte[] bytes = Files.readAllBytes(Path.of(arguments[1]));
    try (Engine engine = Engine.load(Path.of(arguments[0]), Map.of());
        Session session = engine.newSession();
        Picture picture = Picture.decode(bytes, arguments[1]);
        EncodedPicture encoded = session.encode(picture)) {
      Answer answer = session.run(List.of(new Question(encoded, "<OD>")), Map.of()).get(0);
      if (answer.failed()) throw new IllegalStateException(answer.error());
      System.out.println(answer.text());
    }
  }
}
