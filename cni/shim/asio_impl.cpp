// The shim's own copy of Asio, without TLS.
#include <boost/asio/impl/src.hpp>
