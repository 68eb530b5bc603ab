#if canImport(FoundationModels) && compiler(>=6.4)
#endif
