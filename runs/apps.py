from django.apps import AppConfig


class RunsConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "runs"

    def ready(self) -> None:
        from runs.conversation_search import register_all
        from runs.equipping import equip
        from tools.toolbox import EQUIPPERS

        EQUIPPERS.append(equip)
        register_all()
