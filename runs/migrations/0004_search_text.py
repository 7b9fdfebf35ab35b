"""What was said before can be searched, too."""

from django.db import migrations

from runs.contents import search_text

_AT_ONCE = 500


def fill(apps, schema_editor):
    messages = apps.get_model("runs", "Message").objects.filter(search_text="")
    group = []
    for message in messages.only("content", "reasoning", "returns").iterator(_AT_ONCE):
        message.search_text = search_text(message.content, message.reasoning, message.returns)
        group.append(message)
        if len(group) == _AT_ONCE:
            messages.model.objects.bulk_update(group, ["search_text"])
            group = []
    messages.model.objects.bulk_update(group, ["search_text"])


class Migration(migrations.Migration):
    dependencies = [("runs", "0003_conversations")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
