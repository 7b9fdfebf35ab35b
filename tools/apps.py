from django.apps import AppConfig


class ToolsConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "tools"

    def ready(self) -> None:
        from tools.built_in import register
        from tools.code.running import RUN_CODE
        from tools.web.reading import FETCH_WEBPAGE
        from tools.web.searching import WEB_SEARCH

        for tool in (RUN_CODE, WEB_SEARCH, FETCH_WEBPAGE):
            register(tool)
