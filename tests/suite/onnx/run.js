// Runs ONNX models in ONNX Runtime. Standard input has a JSON list of jobs, each with the file
// of a model, a file of images as little-endian float32, and their dimensions. Standard output
// gets the list of answers: the logits and their dimensions, or an error.
const fs = require("fs");
const ort = require("onnxruntime-node");

let session, loaded; // the last job's model, which the next job often uses too

async function answer(job) {
  if (loaded !== job.model) {
    await session?.release();
    session = loaded = undefined;
    session = await ort.InferenceSession.create(job.model, { logSeverityLevel: 3 });
    loaded = job.model;
  }
  const bytes = fs.readFileSync(job.images);
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const { logits } = await session.run({ images: new ort.Tensor("float32", values, job.dims) });
  return { dims: logits.dims, data: Array.from(logits.data) };
}

async function main() {
  const answers = [];
  for (const job of JSON.parse(fs.readFileSync(0))) {
    try {
      answers.push(await answer(job));
    } catch (e) {
      answers.push({ error: String(e) });
    }
  }
  console.log(JSON.stringify(answers));
}

main();
