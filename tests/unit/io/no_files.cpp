// SPDX-License-Identifier: MIT
// What is no regular file is refused at once by everything that reads one, and nothing waits for it.
#include <remat/core/text_file.hpp>
#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <string>

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace no_files_tests {

using Catch::Matchers::Contains;

const temporary_folder folder;

/// What is said by all that read a file.
template <class Check>
void check_readers(const std::filesystem::path& path, const Check& check) {
  INFO(path);
  remat::model<remat::nn::linear<2, 2>, remat::tensor<float, 2>> model;
  const auto refusal = [](const auto& read) -> std::string {
    try {
      read();
    } catch (const remat::data_error& e) {
      return e.what();
    }
    return {};
  };
  for (const std::string& said :
       {refusal([&] { remat::load_weights(model, path); }), refusal([&] { remat::read_idx(path); }),
        refusal([&] { remat::read_text_file(path, "a text is needed"); })}) {
    CHECK_THAT(said, Contains(path.string() + ": "));
    CHECK_THAT(said, Contains("needed"));
    check(said);
  }
}

TEST_CASE("pipes, sockets, devices and folders are no files to read", "[io]") {
  alarm(60);  // a reader that waits would wait for ever
  const auto pipe = folder.path() / "pipe", to_pipe = folder.path() / "link", socket_path = folder.path() / "socket";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  std::filesystem::create_symlink(pipe, to_pipe);
  const auto says = [](const char* text) { return [=](const std::string& said) { CHECK_THAT(said, Contains(text)); }; };
  check_readers(pipe, says("it is a pipe, not a regular file"));
  check_readers(to_pipe, says("it is a pipe"));
  check_readers("/dev/zero", says("it is a device"));
  check_readers("/dev/null", says("it is a device"));
  check_readers(folder.path(), says("it is a folder"));

  const int open_socket = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  socket_path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(bind(open_socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  check_readers(socket_path, says("it is a socket"));
  close(open_socket);

  check_readers(folder.path() / std::string(300, 'x'), says("cannot be opened (File name too long)"));
  check_readers(folder.path() / "none", says("cannot be opened (No such file or directory)"));
  check_readers(pipe / "below", says("cannot be opened (Not a directory)"));
  alarm(0);
}

TEST_CASE("a file that is empty, or shrinks while it is read, is refused", "[io]") {
  const auto path = folder.write("empty", "");
  remat::model<remat::nn::linear<2, 2>, remat::tensor<float, 2>> model;
  CHECK_THROWS_WITH(remat::load_weights(model, path), Contains("it has 0 bytes, not even 8"));
  CHECK_THROWS_WITH(remat::read_idx(path), Contains("ends in its header"));
  CHECK(remat::read_text_file(path).empty());

  const auto weights = folder.path() / "weights";
  remat::save_weights(model, weights);
  remat::safetensors_file file(weights);
  std::filesystem::resize_file(weights, std::filesystem::file_size(weights) - 1);
  std::vector<float> values(2);
  CHECK_THROWS_WITH(file.read(*file.find("bias"), values), Contains("weights: cannot be read (it ends too early)"));
}

TEST_CASE("a text file is read whole, whatever its size says", "[io]") {
  CHECK(remat::read_text_file("/proc/self/status").size() > 100);  // a file of 0 bytes
  const std::string text(100'000, 'a');
  CHECK(remat::read_text_file(folder.write("text", text)) == text);
}

TEST_CASE("a pipe is no place to write to, nor is its name a temporary one", "[io]") {
  alarm(60);
  const temporary_folder own;
  remat::model<remat::nn::linear<2, 2>, remat::tensor<float, 2>> model;
  REQUIRE(mkfifo((own.path() / "pipe").c_str(), 0600) == 0);
  REQUIRE(mkfifo((own.path() / "file.partial").c_str(), 0600) == 0);
  own.write("file", "old");
  CHECK_THROWS_WITH(remat::save_weights(model, own.path() / "pipe"), Contains("it is a device or a pipe"));
  CHECK_THROWS_WITH(remat::write_text_file(own.path() / "pipe", "x"), Contains("it is a device or a pipe"));
  CHECK_THROWS_WITH(remat::save_weights(model, own.path() / "file"), Contains("file.partial is a pipe"));
  CHECK_THROWS_WITH(remat::write_text_file(own.path() / "file", "x"), Contains("file.partial is a pipe"));
  CHECK(temporary_folder::stored(own.path() / "file") == "old");
  CHECK_THROWS_WITH(remat::save_weights(model, own.path() / std::string(300, 'x')), Contains("File name too long"));
  alarm(0);
}

}  // namespace no_files_tests
