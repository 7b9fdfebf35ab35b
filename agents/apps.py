from django.apps import AppConfig


class AgentsConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "agents"

    def ready(self) -> None:
        from agents.memory_tools import register_all
        from agents.roster import follow_rename
        from tools.library import RENAME_FOLLOWERS

        RENAME_FOLLOWERS.append(follow_rename)
        register_all()
