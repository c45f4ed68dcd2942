from typing import Any

ffi: Any  # cffi.FFI; what it makes has the fields of csrc/api.h, which no type checker can know
lib: Any  # the functions of csrc/api.h
