#include "cli/table.h"

#include <algorithm>
#include <cctype>

namespace mk::cli {

std::string align(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - row[i].size() + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string print_table(const Json& table, bool wide, bool with_namespace) {
  std::vector<size_t> shown;
  std::vector<std::vector<std::string>> rows(1);
  if (with_namespace) rows[0].push_back("NAMESPACE");
  const auto& columns = table["columnDefinitions"].items();
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i]["priority"].integer() > 0 && !wide) continue;
    shown.push_back(i);
    std::string name(columns[i]["name"].text());
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    rows[0].push_back(std::move(name));
  }
  for (const Json& row : table["rows"].items()) {
    std::vector<std::string> cells;
    if (with_namespace) cells.emplace_back(row.at({"object", "metadata", "namespace"}).text());
    for (const size_t i : shown) {
      const Json& cell = row["cells"][i];
      cells.push_back(cell.is_string() ? std::string(cell.text()) : cell.is_null() ? "<none>" : cell.dump());
    }
    rows.push_back(std::move(cells));
  }
  return align(rows);
}

}  // namespace mk::cli
