// The part of Apple's FoundationModels (iOS 27) that AloeKit uses, as its documentation has it, so that the provider
// can be type-checked without it. Whether Apple's framework agrees, only a build with Apple's SDK can tell.

public protocol LanguageModel: Sendable {
    associatedtype Executor: LanguageModelExecutor
    var capabilities: LanguageModelCapabilities { get }
    var executorConfiguration: Executor.Configuration { get }
}

public protocol LanguageModelExecutor: Sendable {
    associatedtype Configuration: Hashable, Sendable
    associatedtype Model: LanguageModel
    init(configuration: Configuration) throws
    func respond(
        to request: LanguageModelExecutorGenerationRequest, model: Model,
        streamingInto channel: LanguageModelExecutorGenerationChannel
    ) async throws
}

public struct LanguageModelCapabilities: Sendable {
    public enum Capability: Sendable { case guidedGeneration, reasoning, toolCalling, vision }
    public init(_: [Capability]) {}
}

public struct LanguageModelExecutorGenerationRequest: Sendable {
    public let transcript: Transcript
    public let generationOptions: GenerationOptions
}

public struct GenerationOptions: Sendable, Equatable {
    public enum SamplingMode: Sendable, Equatable { case greedy, other }
    public var samplingMode: SamplingMode?
    public var temperature: Double?
    public var maximumResponseTokens: Int?
}

public struct Transcript: Sendable, Sequence {
    public struct Text: Sendable { public let content: String }
    public enum Segment: Sendable { case text(Text), structure, image }
    public struct Instructions: Sendable { public let segments: [Segment] }
    public struct Prompt: Sendable { public let segments: [Segment] }
    public struct Response: Sendable { public let segments: [Segment] }
    public enum Entry: Sendable {
        case instructions(Instructions), prompt(Prompt), response(Response), toolCalls, toolOutput, reasoning
    }
    public func makeIterator() -> IndexingIterator<[Entry]> { [].makeIterator() }
}

public struct LanguageModelExecutorGenerationChannel: Sendable {
    public struct Usage: Sendable {
        public struct Input: Sendable { public init(totalTokenCount: Int, cachedTokenCount: Int) {} }
        public struct Output: Sendable { public init(totalTokenCount: Int, reasoningTokenCount: Int) {} }
    }
    public enum Event: Sendable {
        case made
        public static func response(action: Response.Action) -> Event { .made }
    }
    public struct Response: Sendable {
        public struct Action: Sendable {
            public static func appendText(_: String, tokenCount: Int) -> Action { Action() }
            public static func updateUsage(input: Usage.Input, output: Usage.Output) -> Action { Action() }
        }
    }
    public func send(_: Event) async {}
}

public enum LanguageModelError: Error {
    public struct ContextSizeExceeded: Sendable {
        public init(contextSize: Int, tokenCount: Int, debugDescription: String) {}
    }
    public struct UnsupportedTranscriptContent: Sendable {
        public init(unsupportedContent: [Transcript.Entry], debugDescription: String) {}
    }
    case contextSizeExceeded(ContextSizeExceeded)
    case unsupportedTranscriptContent(UnsupportedTranscriptContent)
}
