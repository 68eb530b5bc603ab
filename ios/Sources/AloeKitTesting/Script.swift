import AloeKit

/// One answer of a script.
public struct ScriptedReply: Sendable, Equatable {
    /// What the stream gives, piece by piece.
    public var pieces: [String]
    /// Milliseconds before each piece.
    public var pieceDelayMs: UInt32
    /// The error that ends the reply after its pieces.
    public var failsWith: AloeError?
    /// How much likelier adapters make this reply, in nats. To a script, any file that is there is an adapter.
    public var alignmentNats: Double

    public init(
        _ pieces: [String], pieceDelayMs: UInt32 = 0, failsWith: AloeError? = nil, alignmentNats: Double = 0
    ) {
        self.pieces = pieces
        self.pieceDelayMs = pieceDelayMs
        self.failsWith = failsWith
        self.alignmentNats = alignmentNats
    }
}

/// What a scripted assistant is made of.
public struct Script: Sendable, Equatable {
    /// Given in this order; after the last, the last again.
    public var replies: [ScriptedReply]
    /// File of the memory; without one memory is gone when the assistant is closed.
    public var memory: String?
    /// Context window in words, 64 or more.
    public var nCtx: UInt32
    /// Whether it behaves as if on a GPU.
    public var usesGpu: Bool
    /// What opening does when the memory is damaged.
    public var onDamage: OnDamage?
    /// How what the user says becomes facts; without it automatically.
    public var induction: Induction?

    public init(
        replies: [ScriptedReply], memory: String? = nil, nCtx: UInt32 = 4096, usesGpu: Bool = false,
        onDamage: OnDamage? = nil, induction: Induction? = nil
    ) {
        self.replies = replies
        self.memory = memory
        self.nCtx = nCtx
        self.usesGpu = usesGpu
        self.onDamage = onDamage
        self.induction = induction
    }

    var native: NativeScriptParams {
        let replies = replies.map {
            NativeScriptedReply(
                pieces: $0.pieces, pieceDelayMs: $0.pieceDelayMs, failsWith: $0.failsWith?.native,
                alignmentNats: $0.alignmentNats)
        }
        return NativeScriptParams(
            replies: replies, memory: memory, nCtx: nCtx, usesGpu: usesGpu, onDamage: onDamage, induction: induction)
    }
}
