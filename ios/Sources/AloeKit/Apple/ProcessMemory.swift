extension EngineParams {
    /// The same, with a budget where the system limits each app: there the free memory of the device, which the engine
    /// would ask for, says nothing. A budget that the app set stays.
    func withinThisProcess() -> EngineParams {
        guard memoryBudgetMib == nil, let mib = processMemoryMib() else { return self }
        var params = self
        params.memoryBudgetMib = mib - mib / 10 // the rest is the app's own
        return params
    }
}

#if os(iOS)
    import os

    /// MiB that this process may still take before iOS ends it.
    private func processMemoryMib() -> UInt64? {
        let bytes = os_proc_available_memory()
        return bytes > 0 ? UInt64(bytes) >> 20 : nil
    }
#else
    private func processMemoryMib() -> UInt64? { nil }
#endif
