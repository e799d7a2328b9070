// Answers requests with an exported model and no Python, by the loader that TF Serving uses.
//
//   answer MODEL REQUESTS REPLIES
//
// MODEL is the folder of a version. REQUESTS and REPLIES are TFRecord files of tensorflow.NamedTensorProto. A
// request is its inputs, by their names in the signature, and then the signature's name without a tensor; a reply is
// the outputs, and then the status: its code as the tensor, its message as the name.

#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/lib/io/record_reader.h"
#include "tensorflow/core/lib/io/record_writer.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/protobuf/named_tensor.pb.h"

using tensorflow::NamedTensorProto;
using tensorflow::Status;
using tensorflow::Tensor;
using tensorflow::errors::InvalidArgument;

Status Answer(const tensorflow::SavedModelBundle& model, const std::string& signature_name,
              const std::vector<NamedTensorProto>& request, std::vector<NamedTensorProto>* reply) {
  const auto found = model.GetSignatures().find(signature_name);
  if (found == model.GetSignatures().end()) return InvalidArgument("no signature ", signature_name);
  const tensorflow::SignatureDef& signature = found->second;
  std::vector<std::pair<std::string, Tensor>> inputs;
  for (const NamedTensorProto& sent : request) {
    const auto input = signature.inputs().find(sent.name());
    if (input == signature.inputs().end()) return InvalidArgument("no input ", sent.name());
    Tensor value;
    if (!value.FromProto(sent.tensor())) return InvalidArgument(sent.name(), " is no tensor");
    inputs.emplace_back(input->second.name(), value);
  }
  std::vector<std::string> names, tensors;
  for (const auto& [name, output] : signature.outputs()) {
    names.push_back(name);
    tensors.push_back(output.name());
  }
  std::vector<Tensor> outputs;
  TF_RETURN_IF_ERROR(model.GetSession()->Run(inputs, tensors, {}, &outputs));
  for (size_t i = 0; i < outputs.size(); ++i) {
    NamedTensorProto& received = reply->emplace_back();
    received.set_name(names[i]);
    outputs[i].AsProtoField(received.mutable_tensor());
  }
  return Status();
}

Status AnswerAll(const std::string& model_dir, const std::string& requests, const std::string& replies) {
  tensorflow::SavedModelBundle model;
  TF_RETURN_IF_ERROR(tensorflow::LoadSavedModel({}, {}, model_dir, {"serve"}, &model));
  std::unique_ptr<tensorflow::RandomAccessFile> source;
  TF_RETURN_IF_ERROR(tensorflow::Env::Default()->NewRandomAccessFile(requests, &source));
  std::unique_ptr<tensorflow::WritableFile> sink;
  TF_RETURN_IF_ERROR(tensorflow::Env::Default()->NewWritableFile(replies, &sink));
  tensorflow::io::SequentialRecordReader reader(source.get());
  tensorflow::io::RecordWriter writer(sink.get());
  std::vector<NamedTensorProto> request;
  tensorflow::tstring record;
  Status status;
  while ((status = reader.ReadRecord(&record)).ok()) {
    NamedTensorProto read;
    if (!read.ParseFromString(std::string(record))) return tensorflow::errors::DataLoss("no tensor");
    if (read.has_tensor()) {
      request.push_back(read);
      continue;
    }
    std::vector<NamedTensorProto> reply;
    const Status answered = Answer(model, read.name(), request, &reply);
    NamedTensorProto& end = reply.emplace_back();
    end.set_name(std::string(answered.message()));
    Tensor(answered.raw_code()).AsProtoField(end.mutable_tensor());
    for (const NamedTensorProto& part : reply) {
      TF_RETURN_IF_ERROR(writer.WriteRecord(part.SerializeAsString()));
    }
    request.clear();
  }
  if (!tensorflow::errors::IsOutOfRange(status)) return status;
  TF_RETURN_IF_ERROR(writer.Close());
  return sink->Close();
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: answer MODEL REQUESTS REPLIES" << std::endl;
    return 2;
  }
  const Status status = AnswerAll(argv[1], argv[2], argv[3]);
  if (!status.ok()) std::cerr << status.ToString() << std::endl;
  return status.ok() ? 0 : 1;
}
