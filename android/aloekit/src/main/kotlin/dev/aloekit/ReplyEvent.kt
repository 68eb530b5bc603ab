package dev.aloekit

/** What comes of a message, in order: pieces of text, then the finished turn. */
public sealed interface ReplyEvent {
    /** More text: whole characters, one token at first, then up to eight at a time; the best of several is one piece. */
    public data class Piece(
        val text: String,
    ) : ReplyEvent

    /**
     * The reply is over and recorded: its text, why it ended, what it cost, the memories recalled for the message, the
     * facts in the instructions, and how the adapters lean towards it where that was asked for.
     */
    public data class Done(
        val turn: Turn,
    ) : ReplyEvent
}
