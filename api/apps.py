from django.apps import AppConfig


class ApiConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "api"

    def ready(self) -> None:
        from api.schemas.runs import run_state
        from runs.callbacks import DESCRIPTIONS

        DESCRIPTIONS.append(run_state)
