package uffizi.spark;

import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;
import org.apache.spark.ml.Transformer;

/**
 * The base of all stages in this jar. It rejects a Spark version for which the jar was not built,
 * which would otherwise cause a NoSuchMethodError somewhere. In Java, because Scala's own library
 * differs between Scala 2.12 and 2.13.
 */
public abstract class SparkStage extends Transformer {
  private static final String BUILD = "/META-INF/uffizi-spark.properties";

  protected SparkStage() {
    requireMatchingSpark();
  }

  /**
   * Throws IllegalStateException that names the right jar, unless this is it. Python asks before it makes
   * a stage: with another Scala the stages' own classes cannot even be loaded.
   */
  public static void requireMatchingSpark() {
    Properties build = new Properties();
    try (InputStream in = SparkStage.class.getResourceAsStream(BUILD)) {
      if (in == null) return; // classes outside a jar
      build.load(in);
    } catch (IOException error) {
      throw new java.io.UncheckedIOException(error);
    }
    String problem =
        mismatch(
            build.getProperty("spark"),
            build.getProperty("scala"),
            org.apache.spark.package$.MODULE$.SPARK_VERSION(),
            scala.util.Properties$.MODULE$.versionNumberString());
    if (problem != null) throw new IllegalStateException(problem);
  }

  /** Why a jar for one Spark and Scala does not fit another; null if it does. */
  static String mismatch(String jarSpark, String jarScala, String spark, String scala) {
    String line = spark.startsWith("3.") ? spark.replaceAll("^(3\\.[0-9]+).*", "$1")
        : spark.replaceAll("^([0-9]+).*", "$1");
    String binary = scala.replaceAll("^([0-9]+\\.[0-9]+).*", "$1");
    if (line.equals(jarSpark) && binary.equals(jarScala)) return null;
    String built = "this jar of Uffizi is uffizi-spark" + jarSpark + "_" + jarScala + ", for Spark "
        + jarSpark + " with Scala " + jarScala + "; here runs Spark " + spark + " with Scala " + scala;
    boolean known = line.equals("4") ? binary.equals("2.13") : line.equals("3.5");
    return known
        ? built + ": take uffizi-spark" + line + "_" + binary
        : built + ", for which there is no jar";
  }
}
