// Writes the messages of one nf_tables transaction (linux/netfilter/nf_tables.h), and reads the attributes of answers.
// Pure: bytes in memory. Written by hand instead of with libnftnl, whose object per element would be most of the cost.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/nft_objects.hpp"

namespace keelson::proxy {

// Messages without the frame (begin and end) of the transaction; nft_kernel.hpp sends it.
struct NftBatch {
  Family family = Family::ipv4;
  std::string bytes;
  std::uint32_t messages = 0;    // their sequence numbers are 1 to this
  std::size_t last = 0;          // offset of the last message
  bool touches_rules = false;    // beside elements
  std::size_t filter_rules = 0;  // added
  std::size_t nat_rules = 0;
  [[nodiscard]] bool empty() const { return messages == 0; }
};

[[nodiscard]] std::uint8_t address_family(Family family);  // AF_INET, AF_INET6

// Attributes, appended to a buffer. Numbers are written in network order, as nf_tables has them.
class NlAttributes {
 public:
  explicit NlAttributes(std::string& out) : out_(out) {}
  void u32(std::uint16_t type, std::uint32_t value);
  void u64(std::uint16_t type, std::uint64_t value);
  void text(std::uint16_t type, std::string_view value);
  void bytes(std::uint16_t type, std::string_view value);
  // Everything put before the matching close() is inside. At most 65,531 bytes.
  [[nodiscard]] std::size_t open(std::uint16_t type);
  void close(std::size_t at);

 private:
  std::string& out_;
};

// The expressions of one rule, ready for NFTA_RULE_EXPRESSIONS.
class NftRule {
 public:
  // Registers are those of four bytes: 0 to 15.
  NftRule& payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size, unsigned to);
  NftRule& meta(std::uint32_t key, unsigned to);
  NftRule& set_mark(unsigned from);
  NftRule& ct(std::uint32_t key, unsigned to);
  NftRule& fib_type(std::uint32_t flags, unsigned to);  // address type of saddr or daddr
  NftRule& compare(unsigned reg, bool equal, std::string_view value);
  NftRule& bitwise(unsigned from, unsigned to, std::string_view mask, std::string_view flip);
  NftRule& in_set(NftSet set, unsigned key);
  NftRule& look_up(NftSet map, unsigned key, unsigned to);
  NftRule& dispatch(NftSet verdicts, unsigned key);
  NftRule& number(std::uint32_t value, unsigned to);
  NftRule& random(std::uint32_t modulus, std::uint32_t offset, unsigned to);
  NftRule& remember(std::uint32_t operation, NftSet map, unsigned key, unsigned data, std::uint32_t seconds);
  NftRule& dnat(Family family, unsigned address, unsigned port);
  NftRule& masquerade();
  NftRule& reject(Family family);
  NftRule& verdict(std::int32_t code, std::string_view chain = {});
  // Matches and targets of iptables (nf_tables_compat.h); `info` is the structure of that revision.
  NftRule& xt_match(std::string_view name, std::uint32_t revision, std::string_view info);
  NftRule& xt_target(std::string_view name, std::uint32_t revision, std::string_view info);
  NftRule& counter();
  // What iptables' `-p` says: matches of one protocol ask for it.
  NftRule& xt_protocol(std::uint8_t protocol);

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::uint8_t protocol() const { return protocol_; }  // 0: none told

 private:
  template <class Fill>
  NftRule& add(const char* name, Fill fill);

  NftRule& extension(const char* kind, std::string_view name, std::uint32_t revision, std::string_view info);

  std::string bytes_;
  std::uint8_t protocol_ = 0;
};

struct NftBaseChain {
  const char* name;
  const char* type;  // "filter" or "nat"
  std::uint32_t hook;
  std::int32_t priority;
};

class NftWriter {
 public:
  // `table` outlives the writer; the sets are only in our own.
  explicit NftWriter(Family family, const char* table = kNftTable) : table_(table) { batch_.family = family; }

  // Without user data where that is empty.
  void add_table(std::string_view user_data);
  void delete_table();
  void add_set(NftSet set);
  void flush_set(NftSet set);
  void add_chain(std::string_view name);
  void add_chain(const NftBaseChain& chain);
  void flush_chain(std::string_view name);
  void delete_chain(std::string_view name);
  void append_rule(std::string_view chain, const NftRule& rule);
  void insert_rule(std::string_view chain, const NftRule& rule);  // ahead of the others
  // Elements of one set, as many messages as it takes. `records` are elements of that set alone.
  void add_elements(NftSet set, std::string_view records) { elements(true, set, records); }
  void delete_elements(NftSet set, std::string_view records) { elements(false, set, records); }

  // handlers: NUMBER goto `chain`.
  void add_handler(std::uint32_t number, std::string_view chain);

  [[nodiscard]] NftBatch take() { return std::move(batch_); }

 private:
  std::size_t begin(std::uint16_t type, std::uint16_t flags);
  void end(std::size_t at);
  void elements(bool add, NftSet set, std::string_view records);
  void rule(std::string_view chain, const NftRule& rule, std::uint16_t flags);

  const char* table_;
  NftBatch batch_;
};

// One attribute of a message, with its place in it.
struct NlAttribute {
  std::uint16_t type = 0;
  std::string_view value;
};
// The attribute at the start of `rest`, which is cut off from it; false at the end or where bytes are no attribute.
bool take_attribute(std::string_view& rest, NlAttribute& out);

// What the message `sequence` of a batch is about, and with an offset into that message, which element of it:
// "adding element service-frontends 10.96.0.1 . tcp . 80 ..."; for errors.
[[nodiscard]] std::string describe_message(const NftBatch& batch, std::uint32_t sequence, std::uint32_t offset);

// Every message of the batch in words, for tests and for the debug log.
[[nodiscard]] std::vector<std::string> describe_batch(const NftBatch& batch);

}  // namespace keelson::proxy
