import AloeKit
import SwiftUI

/// One screen: the conversation, and what is known of the user behind a button.
struct ChatView: View {
    @State var chat: ChatModel
    @State private var message = ""
    @State private var showsPersona = false
    @State private var explained: Turn?

    var body: some View {
        NavigationStack {
            VStack(spacing: 0) {
                lines
                composer
            }
            .navigationTitle("AloeChat")
            .toolbar {
                Button("What I know about you", systemImage: "person.text.rectangle") { showsPersona = true }
            }
            .sheet(isPresented: $showsPersona) { PersonaView(model: PersonaModel(chat.assistant.persona)) }
            .sheet(item: $explained) { WhyView(turn: $0) }
            .problem($chat.problem)
        }
    }

    private var lines: some View {
        ScrollView {
            LazyVStack(alignment: .leading, spacing: 12) {
                ForEach(chat.lines) { line in
                    LineView(line: line, chat: chat) { explained = line.turn }
                }
            }
            .padding()
        }
        .defaultScrollAnchor(.bottom)
    }

    private var composer: some View {
        HStack {
            TextField("Message", text: $message, axis: .vertical).lineLimit(1...5)
            if chat.isAnswering {
                Button("Stop", systemImage: "stop.circle.fill", action: chat.stop)
            } else {
                Button("Send", systemImage: "arrow.up.circle.fill", action: send).disabled(trimmed.isEmpty)
            }
        }
        .labelStyle(.iconOnly)
        .padding()
        .background(.bar)
    }

    private var trimmed: String { message.trimmingCharacters(in: .whitespacesAndNewlines) }

    private func send() {
        chat.send(trimmed)
        message = ""
    }
}

/// One message, and under a finished answer what it cost and why it is as it is.
private struct LineView: View {
    let line: ChatModel.Line
    let chat: ChatModel
    let explain: () -> Void

    var body: some View {
        VStack(alignment: line.isUser ? .trailing : .leading, spacing: 4) {
            Text(line.text)
                .padding(10)
                .background(line.isUser ? Color.accentColor.opacity(0.2) : Color.secondary.opacity(0.15))
                .clipShape(RoundedRectangle(cornerRadius: 14))
                .textSelection(.enabled)
            if let turn = line.turn {
                RatingView(line: line, chat: chat)
                Button("Why this answer?", action: explain).font(.caption)
                Text("\(turn.stats.decodeTokensPerS, format: .number.precision(.fractionLength(1))) tokens/s")
                    .font(.caption2).foregroundStyle(.secondary)
            }
        }
        .frame(maxWidth: .infinity, alignment: line.isUser ? .trailing : .leading)
    }
}

extension Turn: @retroactive Identifiable {
    public var id: Int64 { turn }
}

extension View {
    /// Shows what went wrong until the user has read it.
    func problem(_ text: Binding<String?>) -> some View {
        let isShown = Binding { text.wrappedValue != nil } set: { if !$0 { text.wrappedValue = nil } }
        return alert("That did not work", isPresented: isShown) {} message: {
            Text(text.wrappedValue ?? "")
        }
    }
}
