package uffizi.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.Test;

/** The Java version of the Scala snippet in Spark NLP's documentation. */
class SeedSnippetJavaTest {
  @Test
  void runs() {
    SparkSession spark = SparkFixture.spark();
    String imageFolder = SparkFixture.pictures(2, 96).toString();

    Dataset<Row> imageDF =
        spark.read().format("image").option("dropInvalid", true).load(imageFolder);

    Dataset<Row> testDF = imageDF.withColumn("text", functions.lit("<OD>"));

    ImageAssembler imageAssembler =
        new ImageAssembler().setInputCol("image").setOutputCol("image_assembler");

    Florence2Transformer florence2 =
        Florence2Transformer.pretrained()
            .setInputCols(new String[] {"image_assembler"})
            .setOutputCol("answer");

    Pipeline pipeline =
        new Pipeline().setStages(new PipelineStage[] {imageAssembler, florence2});

    Dataset<Row> result = pipeline.fit(testDF).transform(testDF);

    result.select("image_assembler.origin", "answer.result").show(false);

    List<Row> rows = result.select("answer.result").collectAsList();
    assertEquals(2, rows.size());
    for (Row row : rows) {
      List<String> answers = row.getList(0);
      assertTrue(answers.get(0).contains("<loc_"), answers.toString());
    }
  }
}
