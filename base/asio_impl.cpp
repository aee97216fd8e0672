// Asio and Beast are compiled once, here; see the *_SEPARATE_COMPILATION definitions in cmake/keelson.cmake.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
