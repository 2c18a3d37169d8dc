// A question as code that asks it again, elsewhere.

// In single quotes for a shell, unless it needs none.
const shell = (text) => (/^[\w./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
// As Python writes it; JSON's strings are Python's.
function python(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, member]) => `${python(name)}: ${python(member)}`).join(", ")}}`;
}

const curlFile = (name) => (/[";,\\ ]/.test(name) ? `image=@"${name.replaceAll(/(["\\])/g, "\\$1")}"` : `image=@${name}`);

export function curl({picture, question, options, model}, {needsKey, models}) {
  const parts = ["-F", curlFile(picture.name)];
  if (models.length > 1) parts.push("-F", `model=${model}`);
  // Of -F, a leading @ or < would name a file.
  if (question.name === "prompt") parts.push("--form-string", `prompt=${question.text}`);
  else parts.push("-F", `task=${question.name}`);
  if (question.region) parts.push("-F", `region=${question.region.join(",")}`);
  else if (question.text && question.name !== "prompt") parts.push("--form-string", `text=${question.text}`);
  if (Object.keys(options).length) parts.push("-F", `options=${JSON.stringify(options)}`);
  const key = needsKey ? '-H "Authorization: Bearer $UFFIZI_API_KEY" ' : "";
  return `curl ${key}${parts.map(shell).join(" ")} ${location.origin}/v1/annotate`;
}

function jsonQuestion({name, text, region}) {
  if (name === "prompt") return {prompt: text};
  if (region) return {task: name, region};
  return text ? {task: name, text} : name;
}

export function pythonOverHttp({picture, question, options, model}, {needsKey, models}) {
  const body = [`"image": base64.b64encode(open(${python(picture.name)}, "rb").read()).decode()`,
                `"tasks": ${python([jsonQuestion(question)])}`,
                ...(models.length > 1 ? [`"model": ${python(model)}`] : []),
                ...(Object.keys(options).length ? [`"options": ${python(options)}`] : [])];
  const headers = ['"Content-Type": "application/json"',
                   ...(needsKey ? ['"Authorization": "Bearer " + os.environ["UFFIZI_API_KEY"]'] : [])];
  return `import base64, json, ${needsKey ? "os, " : ""}urllib.request

body = {
    ${body.join(",\n    ")},
}
request = urllib.request.Request(
    ${python(`${location.origin}/v1/annotate`)},
    json.dumps(body).encode(),
    {${headers.join(", ")}},
)
for record in json.load(urllib.request.urlopen(request))["results"]:
    print(json.dumps(record["result"]))
`;
}

const usualModel = (model) => model === "uffizi-tiny";  // which comes along

export function pythonPackage({picture, question, options, model}) {
  const {page, ...search} = options;
  const file = page ? "picture" : python(picture.name);
  const open = page ? `picture = Image.open(${python(picture.name)})\npicture.seek(${page - 1})\n` : "";
  const task = question.name === "prompt" ? question.text : question.token;
  const more = [...(question.region ? [`region=${python(question.region)}`] : []),
                ...(question.text && question.name !== "prompt" ? [`text=${python(question.text)}`] : []),
                ...Object.entries(search).map(([name, value]) => `${name}=${python(value)}`)];
  return `import uffizi
${page ? "from PIL import Image\n" : ""}
model = uffizi.Florence2.from_pretrained(${usualModel(model) ? "" : python(model)})
${open}result = model(${[file, python(task), ...more].join(", ")})
print(result.to_dict())
`;
}

// The options as Florence2Transformer calls them.
const SETTERS = {
  num_beams: "setBeamSize", max_length: "setMaxOutputLength", length_penalty: "setLengthPenalty",
  no_repeat_ngram_size: "setNoRepeatNgramSize", do_sample: "setDoSample", temperature: "setTemperature",
  seed: "setRandomSeed",
};

export function spark({picture, question, options, model}) {
  const text = question.name === "prompt" ? question.text
      : question.token + (question.region ? question.region.join(",") : question.text);
  const setters = Object.entries(options).filter(([name]) => SETTERS[name])
      .map(([name, value]) => `\n    .${SETTERS[name]}(${python(value)})`).join("");
  return `from pyspark.ml import Pipeline
from pyspark.sql.functions import lit
from uffizi.spark import Florence2Transformer, ImageAssembler, start

spark = start()
files = spark.read.format("binaryFile").load(${python(picture.name)})
asked = files.withColumn("text", lit(${python(text)}))
florence = (
    Florence2Transformer.pretrained(${python(model)})
    .setInputCols(["image_assembler"])
    .setOutputCol("answer")${setters}
)
pipeline = Pipeline(stages=[ImageAssembler(inputCol="content"), florence]).fit(asked)
pipeline.transform(asked).selectExpr("path", "answer[0].result").show(truncate=False)
`;
}
