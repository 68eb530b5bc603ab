package dev.aloekit.sample

import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.unit.dp
import dev.aloekit.Fact
import java.io.File

/** What is known of the user: edit, pin, forget, erase, export. */
@Composable
fun PersonaView(
    screen: ChatScreen,
    model: ChatModel,
    exportFile: (name: String) -> File,
) {
    var erasing by remember { mutableStateOf(false) }
    Column(Modifier.padding(16.dp)) {
        Text("What I know about you")
        LazyColumn(Modifier.weight(1f)) { items(screen.facts, key = { it.id }) { FactView(it, model) } }
        Row {
            TextButton(onClick = { model.exportTo(exportFile("aloekit-export.json")) }) { Text("Export") }
            TextButton(onClick = { model.exportRatingsTo(exportFile("aloekit-rated.jsonl")) }) { Text("Export ratings") }
            TextButton(onClick = { erasing = true }) { Text("Erase everything") }
        }
    }
    if (erasing) {
        AlertDialog(
            onDismissRequest = { erasing = false },
            text = { Text("Every memory and conversation will be gone for good.") },
            dismissButton = { TextButton(onClick = { erasing = false }) { Text("Keep") } },
            confirmButton = {
                TextButton(onClick = {
                    model.erase()
                    erasing = false
                }) { Text("Erase") }
            },
        )
    }
}

@Composable
private fun FactView(
    fact: Fact,
    model: ChatModel,
) {
    var edited by remember(fact.id) { mutableStateOf<String?>(null) }
    Column(Modifier.padding(vertical = 8.dp)) {
        val text = edited
        if (text == null) Text(fact.text) else OutlinedTextField(text, onValueChange = { edited = it })
        Text("You said: “${fact.words}”")
        Row {
            if (text == null) {
                TextButton(onClick = { edited = fact.text }) { Text("Edit") }
            } else {
                TextButton(onClick = {
                    model.edit(fact.id, text)
                    edited = null
                }) { Text("Save") }
            }
            TextButton(onClick = { model.pin(fact.id, !fact.pinned) }) { Text(if (fact.pinned) "Unpin" else "Pin") }
            TextButton(onClick = { model.forget(fact.id) }) { Text("Forget") }
        }
    }
}
