// Written against Apple's documentation of the FoundationModels that takes models of others (iOS 27, Swift 6.4), and
// never compiled against Apple's framework: no machine that the authors had carries it.
#if canImport(FoundationModels) && compiler(>=6.4)
    import AloeKit
    import FoundationModels

    /// An assistant as a model that Apple's `LanguageModelSession` drives:
    /// `LanguageModelSession(model: AloeLanguageModel(assistant))`.
    ///
    /// Memory works as in a session of AloeKit: what the user says is remembered, and what is known of them is
    /// recalled. Tools, guided generation, images and reasoning are not offered, so the framework refuses requests for
    /// them.
    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    public struct AloeLanguageModel: LanguageModel {
        public typealias Executor = AloeExecutor

        public let executorConfiguration: AloeExecutor.Configuration

        public init(_ assistant: Assistant, params: SessionParams = SessionParams(conversation: .new)) {
            executorConfiguration = AloeExecutor.Configuration(assistant: assistant, params: params)
        }

        public var capabilities: LanguageModelCapabilities { LanguageModelCapabilities([]) }
    }
#endif
