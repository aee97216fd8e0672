// The field lists' frame. Fields<T>::visit names every field of T once, to a Reader or a Writer alike; it is
// specialised in the fields_*.cpp, and what several of those need is instantiated in one of them and declared extern
// here.
#pragma once

#include "kube/codec.hpp"
#include "kube/codec_reader.hpp"
#include "kube/codec_writer.hpp"

namespace keelson::kube {

template <class T>
struct Fields;

// A type that is an API object by itself and carries its apiVersion and kind.
template <class T>
concept Kind = requires {
  T::kKind;
};

template <class T>
void read_object(Reader& reader, T& object) {
  if (!reader.begin_object()) return;
  if constexpr (Kind<T>) {
    reader.ignore("apiVersion");
    reader.ignore("kind");
  }
  Fields<T>::visit(reader, object);
  reader.end_object();
}

template <class T>
void write_object(Writer& writer, const T& object) {
  writer.begin_object();
  if constexpr (Kind<T>) {
    writer.always("apiVersion", T::kApiVersion);
    writer.always("kind", T::kKind);
  }
  Fields<T>::visit(writer, object);
}

}  // namespace keelson::kube

// Instantiates the codec of TYPE in this source file, or says that another one does.
#define KEELSON_FIELDS_DEFINE(TYPE)                \
  template void read_object<TYPE>(Reader&, TYPE&); \
  template void write_object<TYPE>(Writer&, const TYPE&)
#define KEELSON_FIELDS_EXTERN(TYPE)                       \
  extern template void read_object<TYPE>(Reader&, TYPE&); \
  extern template void write_object<TYPE>(Writer&, const TYPE&)
