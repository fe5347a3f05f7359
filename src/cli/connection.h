// The running modelkit that a verb talks to.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "cli/options.h"
#include "kinds/kind.h"
#include "net/client.h"

namespace mk::cli {

// Options that every verb which talks to a server takes.
std::vector<Option> with_connection(std::vector<Option> options);

class Connection {
 public:
  // $MODELKIT_TOKEN says who calls, and $MODELKIT_CA names the file with the authority that an https server is checked
  // against; without them the server goes by our uid. By --server, $MODELKIT_SERVER, or DIR/endpoints.json of --data, $MODELKIT_DATA or the default folder.
  static Result<Connection> open(const Arguments& arguments);

  const std::string& server() const { return server_; }  // "http://127.0.0.1:7070"
  const std::string& data() const { return data_; }      // "http://127.0.0.1:7080", may be empty
  const std::string& space() const { return space_; }    // -n, "default"

  // One request; a reply of 400 or more becomes an Error with the server's own sentence.
  Result<net::Response> call(net::Method method, std::string target, std::string body = {},
                             net::Headers headers = {}) const;
  Result<Json> json(net::Method method, std::string target, const Json* body = nullptr,
                    std::string_view content_type = "application/json") const;
  // Feeds the reply's bytes to `sink` as they come; blocks until the end.
  Result<void> stream(std::string target, const std::function<void(std::string_view)>& sink) const;

 private:
  void show_token(net::Headers& headers) const;

  net::Endpoint endpoint_;
  std::string server_, data_, space_, token_;
  std::shared_ptr<net::Client> client_;
};

// "/apis/apps/v1/namespaces/default/deployments/web"; empty name = the collection.
std::string object_path(const kinds::Kind& kind, std::string_view space, std::string_view name);

// A kind by anything people type, or a sentence that suggests one.
Result<const kinds::Kind*> find_kind(std::string_view word);

}  // namespace mk::cli
