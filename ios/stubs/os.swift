// The part of Apple's `os` that AloeKit uses, as Apple documents it.

public func os_proc_available_memory() -> Int { 0 }
