// How fast an exported model answers, by the loader that TF Serving uses and without Python.
//
//   load MODEL REQUEST SECONDS CONCURRENCY...
//
// MODEL is the folder of a version, REQUEST a TFRecord file of tensorflow.NamedTensorProto: the inputs of one
// request to `serving_default`. Prints a line `load SECONDS`, and for each concurrency a line
// `CONCURRENCY REQUESTS SECONDS PROCESSOR P50 P99`: seconds of the processor, latencies in milliseconds.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/lib/io/record_reader.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/protobuf/named_tensor.pb.h"

using tensorflow::Status;
using tensorflow::Tensor;
using Inputs = std::vector<std::pair<std::string, Tensor>>;

double Now() {
  using std::chrono::steady_clock;
  return std::chrono::duration<double>(steady_clock::now().time_since_epoch()).count();
}

Status ReadInputs(const std::string& path, const tensorflow::SignatureDef& signature, Inputs* inputs) {
  std::unique_ptr<tensorflow::RandomAccessFile> file;
  TF_RETURN_IF_ERROR(tensorflow::Env::Default()->NewRandomAccessFile(path, &file));
  tensorflow::io::SequentialRecordReader reader(file.get());
  tensorflow::tstring record;
  while (reader.ReadRecord(&record).ok()) {
    tensorflow::NamedTensorProto input;
    Tensor value;
    if (!input.ParseFromString(std::string(record)) || !value.FromProto(input.tensor())) {
      return tensorflow::errors::DataLoss(path, " holds no tensor");
    }
    inputs->emplace_back(signature.inputs().at(input.name()).name(), value);
  }
  return Status();
}

// Asks again and again from several threads. Returns the sorted latencies in seconds.
std::vector<double> Ask(tensorflow::Session* session, const Inputs& inputs, const std::vector<std::string>& outputs,
                        int concurrency, double seconds) {
  std::vector<std::vector<double>> latencies(concurrency);
  std::vector<std::thread> threads;
  const double end = Now() + seconds;
  for (auto& own : latencies) {
    threads.emplace_back([&] {
      while (Now() < end) {
        std::vector<Tensor> answer;
        const double start = Now();
        TF_CHECK_OK(session->Run(inputs, outputs, {}, &answer));
        own.push_back(Now() - start);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::vector<double> all;
  for (const auto& own : latencies) all.insert(all.end(), own.begin(), own.end());
  std::sort(all.begin(), all.end());
  return all;
}

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "usage: load MODEL REQUEST SECONDS CONCURRENCY..." << std::endl;
    return 2;
  }
  tensorflow::SavedModelBundle model;
  const double start = Now();
  TF_CHECK_OK(tensorflow::LoadSavedModel({}, {}, argv[1], {"serve"}, &model));
  std::cout << "load " << Now() - start << std::endl;
  const tensorflow::SignatureDef& signature = model.GetSignatures().at("serving_default");
  Inputs inputs;
  TF_CHECK_OK(ReadInputs(argv[2], signature, &inputs));
  std::vector<std::string> outputs;
  for (const auto& [name, output] : signature.outputs()) outputs.push_back(output.name());

  const double seconds = std::atof(argv[3]);
  Ask(model.GetSession(), inputs, outputs, 1, std::min(seconds, 1.0));  // the first requests compile the graph
  for (int i = 4; i < argc; ++i) {
    const int concurrency = std::atoi(argv[i]);
    const double begun = Now();
    const std::clock_t spent = std::clock();  // by all threads
    const std::vector<double> sorted = Ask(model.GetSession(), inputs, outputs, concurrency, seconds);
    const auto percentile = [&](double share) { return 1e3 * sorted[(sorted.size() - 1) * share]; };
    const double processor = static_cast<double>(std::clock() - spent) / CLOCKS_PER_SEC;
    std::cout << concurrency << ' ' << sorted.size() << ' ' << Now() - begun << ' ' << processor << ' '
              << percentile(0.5) << ' ' << percentile(0.99) << std::endl;
  }
  return 0;
}
