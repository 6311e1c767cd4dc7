// A fresh database for one test, and questions to it that pass by the code under test.
#pragma once

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include <libpq-fe.h>

#include "turnpike/secret.hpp"

namespace turnpike::testing {

class Database {
 public:
  Database() {
    static int made = 0;
    name_ = "test_" + std::to_string(++made);
    Connection{server()}.ask("DROP DATABASE IF EXISTS " + name_);
    Connection{server()}.ask("CREATE DATABASE " + name_);
  }
  ~Database() { Connection{server()}.ask("DROP DATABASE " + name_ + " WITH (FORCE)"); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  [[nodiscard]] Secret address() const { return Secret{text()}; }
  /// First column of the first row; empty if there is none.
  std::string ask(const std::string& sql) const { return Connection{text()}.ask(sql); }
  [[nodiscard]] long long number(const std::string& sql) const {
    return std::stoll("0" + ask(sql));
  }
  /// Ends all its connections, as a restart of the server would.
  void drop_connections() const {
    Connection{server()}.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name_ + "'");
  }
  void lock_out(bool out) const {
    Connection{server()}.ask("ALTER DATABASE " + name_ +
                             (out ? " CONNECTION LIMIT 0" : " CONNECTION LIMIT -1"));
    // Superusers pass a limit; a database that allows no connections stops them too.
    Connection{server()}.ask(
        "UPDATE pg_database SET datallowconn = " + std::string{out ? "false" : "true"} +
        " WHERE datname = '" + name_ + "'");
    if (out) drop_connections();
  }

 private:
  struct Connection {
    explicit Connection(const std::string& to) : handle(PQconnectdb(to.c_str()), PQfinish) {
      PQsetNoticeProcessor(handle.get(), [](void*, const char*) {}, nullptr);
    }
    std::string ask(const std::string& sql) const {
      const std::unique_ptr<PGresult, decltype(&PQclear)> answer{PQexec(handle.get(), sql.c_str()),
                                                                 PQclear};
      const auto status = PQresultStatus(answer.get());
      if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        throw std::runtime_error{PQerrorMessage(handle.get())};
      return PQntuples(answer.get()) > 0 ? PQgetvalue(answer.get(), 0, 0) : "";
    }
    std::unique_ptr<PGconn, decltype(&PQfinish)> handle;
  };

  static std::string server() {
    const char* address = std::getenv("TURNPIKE_POSTGRES");
    if (address == nullptr) throw std::runtime_error{"run this through tests/replicas/postgres.py"};
    return address;
  }
  [[nodiscard]] std::string text() const { return server() + " dbname=" + name_; }

  std::string name_;
};

}  // namespace turnpike::testing
